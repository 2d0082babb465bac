"""The story of a transfer, or of a period, in words that somebody understands who has never seen a gateway. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.administration.evidence.pages import Section
from gateway.administration.views.records import ConsignmentView, TransferView
from gateway.administration.views.story import ConsignmentStory, TransferStory
from gateway.administration.views.words import describe, with_code
from gateway.domain.states import Direction
from gateway.events import BY_NAME
from gateway.settings.model import Settings

_WHO: Final = {
    "inspect": "the gateway, reading files",
    "vault": "the gateway, with the site's keys",
    "link": "the gateway, at the network",
    "command": "a person's command",
}
_OUTCOMES: Final = {
    "delivered": "delivered, whole and checked",
    "duplicate": "delivered before; the same file came again",
    "rejected": "not accepted, and not delivered",
    "quarantined": "locked away, and not delivered",
    "ingested": "taken over by the back office",
    "refused": "delivered, and refused by the back office",
}
_ERASED: Final = "erased, since its time was over"
_WORDS: Final = (
    "A digest (SHA-256) is a number of 64 digits that is computed from a file. Two different files with the same digest are not "
    "known to exist, so a digest names one content. A consignment is the sealed message that carries files; a receipt is the "
    "receiver's signed answer to it. Every step is an event; each event holds the digest of the one before it, so none can be "
    "altered, removed or added later without all that follow becoming wrong. Rows are what the gateway's own tables say, "
    "and the events hold their digests."
)


@dataclass(frozen=True)
class Proof:
    """What the file of evidence holds besides words: the first and last event, how far somebody else than this site has
    confirmed them, and who; what could not be put in; the keys of sites, as CODE=FINGERPRINT; when it was made (RFC 3339).
    """

    first: int
    last: int
    confirmed: int
    by: str | None
    missing: Sequence[str]
    keys: Sequence[str]
    made: str


def of_unit(settings: Settings, found: TransferStory | ConsignmentStory, proof: Proof) -> list[Section]:
    """The story of a transfer or consignment."""
    about: TransferView | ConsignmentView
    if isinstance(found, TransferStory):
        about, told = found.transfer, _of_transfer(settings, found)
    else:
        about, told = found.consignment, _of_consignment(settings, found)
    events = [
        f"{event.at[:10]} {event.at[11:23]} UTC  {describe(event.event, event.detail)}."
        f" (Event {event.sequence}: {event.kind}; by {_WHO.get(event.role, event.role)}.)"
        for event in found.events
    ]
    return [
        Section("What this is", told),
        Section("What happened", tuple(events)),
        Section("Who signed what", tuple(_signed(settings, found, about.partner))),
        *_end(settings, proof),
    ]


def of_period(
    settings: Settings, days: str, counts: Mapping[tuple[str, str, str], int], receipts: Mapping[str, int], proof: Proof
) -> list[Section]:
    """The story of a period: transfers by flow, direction and state, and receipts by partner."""
    told = [
        f"{number} {'sent' if direction == Direction.OUT else 'received'}, flow {flow}: {_state(state)}."
        for (flow, direction, state), number in sorted(counts.items())
    ]
    signed = [f"{_full(settings, code)}: {number} receipts." for code, number in sorted(receipts.items())]
    who = _full(settings, settings.site.code)
    return [
        Section(
            "What this is",
            (
                f"Everything that the file-transfer gateway of {who} recorded {days} (UTC), as far as it changed no more after that.",
            ),
        ),
        Section("Transfers", tuple(told) or ("None.",)),
        Section("Partners' signed receipts", tuple(signed) or ("None.",)),
        *_end(settings, proof),
    ]


def _of_transfer(settings: Settings, found: TransferStory) -> tuple[str, ...]:
    transfer, carrier = found.transfer, found.carried_by
    told = [
        _way(settings, "file", transfer.direction, transfer.partner),
        f"Name of the file: {transfer.name or _ERASED}",
        f"Its size: {transfer.size} bytes. Its digest (SHA-256): {transfer.sha256}",
        f"Kind of file: {transfer.flow}. Number of the transfer: {transfer.id}",
        f"Where it stands: {_state(transfer.state)} (since {transfer.updated}).",
    ]
    if transfer.unconfirmed:
        told.append("The partner has no gateway: no receipt comes, and nobody confirms that it arrived.")
    if transfer.reference is not None:
        told.append(f"The sender's own reference: {transfer.reference}")
    if transfer.code is not None:
        told.append(f"Why: {with_code(transfer.reason, transfer.code)}")
    if transfer.redirected_from is not None:
        told.append(f"It had come to {transfer.redirected_from} first, who passed it on.")
    if carrier is None:
        told.append("It has not been packed into a consignment, and so has not left this site.")
    else:
        told.append(f"It travelled in consignment {carrier.id}, one of {carrier.items} files in it.")
        told.append(_sealed(carrier.sealed_size, carrier.sealed_sha256))
    return tuple(told)


def _of_consignment(settings: Settings, found: ConsignmentStory) -> tuple[str, ...]:
    parcel = found.consignment
    told = [
        _way(settings, f"consignment, {parcel.id},", parcel.direction, parcel.partner),
        _sealed(parcel.sealed_size, parcel.sealed_sha256),
        f"Where it stands: {_state(parcel.state, 'consignment')} (since {parcel.updated}).",
    ]
    if parcel.code is not None:
        told.append(f"Why: {with_code(parcel.reason, parcel.code)}")
    told += [
        f"It carried transfer {each.id}: {each.name or _ERASED}, {each.size} bytes, SHA-256 {each.sha256}; {_state(each.state)}."
        for each in found.transfers
    ]
    return tuple(told)


def _sealed(size: int | None, sha256: str | None) -> str:
    if sha256 is None:
        return "The consignment was not sealed."
    return f"The sealed message: {size} bytes, SHA-256 {sha256}. This is what went over the network."


def _signed(settings: Settings, found: TransferStory | ConsignmentStory, partner: str) -> list[str]:
    told = []
    if any(event.event == "consignment.opened" for event in found.events):
        told.append(
            f"{partner} signed the consignment. The signature was verified when the consignment was opened, as the events say; "
            "the sealed message is not kept after that, so its signature cannot be shown again."
        )
    for each in found.receipts:
        ours = each.direction == Direction.OUT
        who = _full(settings, settings.site.code if ours else partner)
        if each.content is None:
            told.append(f"A receipt by {who} is {each.state}, and says nothing yet.")
            continue
        issued = each.content["issued"]
        for item in each.content["items"]:
            outcome = _OUTCOMES.get(item["outcome"], item["outcome"])
            said = f"{who} signed at {issued}, of transfer {item['transfer']}, SHA-256 {item['sha256']}: {outcome}."
            if item.get("reason"):
                said += f" It says why: {item['reason']}"
            told.append(said)
        if ours:
            told.append(f"That receipt went to {partner}, who has it with our signature.")
    return told or ["Nobody has signed anything about it."]


def _end(settings: Settings, proof: Proof) -> list[Section]:
    site = settings.site.code
    shown = [f"In here are the events {proof.first} to {proof.last} of the chain of {site}, without a gap."]
    if proof.by is None:
        shown.append(f"Nobody but {site} has confirmed them yet.")
    else:
        shown.append(
            f"As far as event {proof.confirmed} {proof.by} confirms them: {site} cannot have changed them after that."
        )
        if proof.confirmed < proof.last:
            shown.append(f"Of the events after that there is nobody's word yet but that of {site}.")
    shown.append("What this cannot show: that what was recorded was true when it was recorded.")
    command = " ".join(f"--known {each}" for each in proof.keys)
    return [
        Section("What this shows", tuple(shown)),
        Section("What is not in here", tuple(proof.missing) or ("Nothing is missing.",)),
        Section(
            "How to check it",
            (
                f"Without any program of the gateway, with Python and gpg: python3 verify_evidence.py FILE {command}",
                "Ask each of these sites by another way than this file whether that is, or was, its key.",
                f"Made at {proof.made} by {site}. The comment of this ZIP file is its signature over all of it.",
            ),
        ),
        Section("Words", (_WORDS,)),
    ]


def _way(settings: Settings, what: str, direction: str, partner: str) -> str:
    us, them = (_full(settings, code) for code in (settings.site.code, partner))
    ends = (us, them) if direction == Direction.OUT else (them, us)
    return f"One {what} from {ends[0]} to {ends[1]}, as the file-transfer gateway of {us} recorded it."


def _state(state: str, kind: str = "transfer") -> str:
    event = BY_NAME.get(f"{kind}.{state}") or BY_NAME.get(f"consignment.{state}")
    return state if event is None else f"{state} ({event.sentence})"


def _name(settings: Settings, code: str) -> str:
    if code == settings.site.code:
        return settings.site.name
    return settings.partners[code].name if code in settings.partners else code


def _full(settings: Settings, code: str) -> str:
    name = _name(settings, code)
    return code if name == code else f"{name} ({code})"
