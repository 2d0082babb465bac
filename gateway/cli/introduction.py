"""Take a partner's card: hold it against what was confirmed, and make the partner's settings out of it.

Raises CardRefused for a card that must not be believed, UsageWrong for wishes that it cannot fulfil. Nothing is written
here but by `keep`, in the order certificates, directories, file: the file makes the partner known, and comes last. Whether
a card is signed by a key that is known already is `succession`'s to find out.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal

from gateway.cli.succession import Overlaps
from gateway.crypto.contract import Certificate, KeyStore
from gateway.errors import CardRefused, UsageWrong
from gateway.flows.catalog import flows_of, permitted
from gateway.settings.directories import make, partner_directories
from gateway.settings.faults import nearest
from gateway.settings.model import EndpointSettings, Partner, Settings, kind_of
from gateway.settings.write import write_partner
from gateway.transfer.card import Card
from gateway.transfer.identity import from_text, to_text
from gateway.transport.keys import parse_public_key

Link = Literal["push", "collect", "none"]

_SPACING: Final = re.compile(r"[\s:]")
_ACCOUNT: Final = re.compile(r"[a-z_][a-z0-9_.-]{0,31}")
_FINGERPRINT: Final = re.compile(r"[0-9A-F]{40}")


@dataclass(frozen=True)
class Wishes:
    """What whoever adds the partner decides; None leaves it to the card, or to what was decided before."""

    link: Link | None = None
    flows: tuple[str, ...] | None = None
    os_account: str | None = None


def normal_fingerprint(text: str) -> str:
    """A fingerprint as somebody wrote it (spaces, colons, small letters), as the gateway writes it; UsageWrong."""
    fingerprint = _SPACING.sub("", text).upper().removeprefix("0X")
    if not _FINGERPRINT.fullmatch(fingerprint):
        raise UsageWrong("A fingerprint is 40 hexadecimal digits; spaces between them do not matter.")
    return fingerprint


def believable(card: Card, settings: Settings, keys: KeyStore, now: float) -> Certificate:
    """The card's certificate, if the card agrees with itself and fits this site; CardRefused otherwise."""
    if card.site == settings.site.code:
        raise CardRefused("This is this site's own card.")
    certificate = keys.inspect(card.openpgp)
    if certificate.fingerprint != card.fingerprint:
        raise CardRefused("The card's certificate is not the one that its fingerprint names.")
    if certificate.revoked:
        raise CardRefused("The card's certificate is revoked.")
    if certificate.expires is not None and certificate.expires <= now:
        raise CardRefused("The card's certificate has expired.")
    if not (certificate.can_sign and certificate.can_encrypt):
        raise CardRefused("The card's certificate cannot both sign and be encrypted to.")
    if card.fingerprint == settings.openpgp.fingerprint:
        raise CardRefused("The card's certificate is this site's own.")
    known = settings.partners.get(card.site)
    if known is not None:
        _newer_than(card, known)
    login = parse_public_key(card.ssh_key)
    for other in settings.partners.values():
        if other.code == card.site:
            continue
        if other.fingerprint == card.fingerprint:
            raise CardRefused(f"The card's certificate is that of partner {other.code}.")
        if other.ssh_key is not None and parse_public_key(other.ssh_key) == login:
            raise CardRefused(f"The card's SSH key is that of partner {other.code}.")
    return certificate


def _newer_than(card: Card, known: Partner) -> None:
    """Refuse what was true once: a key that was revoked here, or a card from before the one that was taken."""
    lines = [line for line in (card.ssh_key, card.host_key) if line is not None]
    if {card.fingerprint, *(parse_public_key(line).fingerprint for line in lines)} & set(known.revoked):
        raise CardRefused(f"The card names a key that is revoked here: `revoked` in the file of partner {known.code}.")
    if card.issued is not None and known.card_issued is not None:
        taken = known.card_issued.timestamp()
        if from_text(card.issued) < taken:
            raise CardRefused(f"The card is older than the one that was taken last, of {to_text(taken)}.")


def introduce(card: Card, settings: Settings, wishes: Wishes, overlaps: Overlaps) -> Partner:
    """The partner's settings: keys and endpoint from the card, the rest as wished, or as it was, or by default."""
    before = settings.partners.get(card.site)
    endpoint = _endpoint(card, overlaps)
    link = wishes.link or (before.link if before else None) or ("push" if endpoint else "collect")
    if link == "push" and endpoint is None:
        lacking = "no endpoint" if card.endpoint is None else "no host key"
        raise UsageWrong(f"The card has {lacking}, so nothing can be pushed: use --link collect or --link none.")
    if wishes.os_account is not None and not _ACCOUNT.fullmatch(wishes.os_account):
        raise UsageWrong("--os-account is no name of an account.")
    flows_out, flows_in = (before.flows_out, before.flows_in) if before else (None, None)
    if wishes.flows is not None:
        flows_out, flows_in = _divided(wishes.flows, settings, card.site)
    return Partner(
        code=card.site,
        name=card.name,
        fingerprint=card.fingerprint,
        old_fingerprint=overlaps.openpgp.key if overlaps.openpgp else None,
        old_fingerprint_until=overlaps.openpgp.until if overlaps.openpgp else None,
        revoked=overlaps.revoked,
        card_issued=overlaps.issued,
        link=link,
        envelope=before.envelope if before else "gateway",
        ssh_key=parse_public_key(card.ssh_key).line,
        old_ssh_key=overlaps.ssh_key.key if overlaps.ssh_key else None,
        old_ssh_key_until=overlaps.ssh_key.until if overlaps.ssh_key else None,
        os_account=wishes.os_account or (before.os_account if before else None),
        flows_out=flows_out,
        flows_in=flows_in,
        max_bytes_per_second=before.max_bytes_per_second if before else None,
        windows=before.windows if before else (),
        endpoint=endpoint,
    )


def keep(card: Card, partner: Partner, settings: Settings, keys: KeyStore, overlaps: Overlaps) -> None:
    """Pin the certificates, make the directories, write the partner's file."""
    keys.pin(partner.code, card.openpgp, overlaps.certificate)
    make(partner_directories(settings.home, partner.code, *flows_of(settings, partner)))
    write_partner(settings.home, partner)


def _endpoint(card: Card, overlaps: Overlaps) -> EndpointSettings | None:
    if card.endpoint is None or card.host_key is None:
        return None
    there = card.endpoint
    host_key = parse_public_key(card.host_key).line
    old = overlaps.host_key
    return EndpointSettings(
        host=there.host,
        port=there.port,
        user=there.user,
        path=there.path,
        host_key=host_key,
        old_host_key=old.key if old else None,
        old_host_key_until=old.until if old else None,
    )


def _divided(flows: Iterable[str], settings: Settings, code: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The wished flows, those to the partner and those from it; UsageWrong for one that goes neither way."""
    outgoing, incoming = permitted(settings.site.kind, kind_of(code))
    for flow in flows:
        if flow not in (*outgoing, *incoming):
            hint = nearest(flow, (*outgoing, *incoming))
            raise UsageWrong(f"The flow {flow!r} does not go between {settings.site.code} and {code}{hint}")
    wished = tuple(flows)
    return tuple(flow for flow in outgoing if flow in wished), tuple(flow for flow in incoming if flow in wished)
