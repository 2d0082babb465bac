"""Many partners at once: every order is checked before the first is carried out, and each is answered by itself.

An order names a card, or a partner that is known already, and what is decided here about that partner. Keys come from cards
alone, and a card is believed as `site.partners` believes one: signed by the key that is pinned here for the partner, or with
the fingerprint that somebody confirmed by another channel. Whatever is wrong with one order is its answer and nothing else's;
whether the others are carried out all the same is for the caller to say. What is carried out can be repeated: an order that
changes nothing any more is left alone.

Raises ChangedMeanwhile where somebody changed a partner after it was planned, and what the key store, the ledger and the disk raise
while orders are carried out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from gateway.administration.requests.actors import stage_context
from gateway.administration.site import introduction, key_events
from gateway.administration.site.introduction import PartnerOptions
from gateway.administration.site.partners import Proposal, difference, open_card, propose
from gateway.administration.site.settings import readable_partner, require_unchanged, share_out
from gateway.assembly.stores import key_store
from gateway.domain.card import MAX_BYTES
from gateway.domain.decision import Decision
from gateway.errors import CardRefused, ConfigurationInvalid, GatewayError, UsageWrong
from gateway.logs import Logger
from gateway.preflight import would_break
from gateway.settings.model import EndpointSettings, Partner, Settings
from gateway.settings.write import write_partner


class Outcome(StrEnum):
    """What becomes of an order."""

    ADDED = "added"
    CHANGED = "changed"
    UNCHANGED = "unchanged"
    UNCONFIRMED = "unconfirmed"
    REFUSED = "refused"


@dataclass(frozen=True)
class Order:
    """What is asked for: `where` it stands, for whoever has to correct it; a card, or the code of a known partner.

    `fingerprint` is what somebody confirmed by another channel. `values` are settings of the partner's file, `endpoint` those of
    its table `[endpoint]`. `fault` is why the order could not be read.
    """

    where: str
    card: Path | None = None
    code: str | None = None
    fingerprint: str | None = None
    options: PartnerOptions = field(default_factory=PartnerOptions)
    values: Mapping[str, Any] = field(default_factory=dict)
    endpoint: Mapping[str, Any] = field(default_factory=dict)
    fault: str | None = None


@dataclass(frozen=True)
class Answer:
    """What becomes of an order, and why: `reason` is empty where all is well; `fingerprint` is that of the card."""

    where: str
    code: str | None
    name: str | None
    outcome: Outcome
    reason: str = ""
    fingerprint: str | None = None
    change: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        return self.outcome not in (Outcome.REFUSED, Outcome.UNCONFIRMED)


@dataclass(frozen=True)
class Planned:
    """An order's answer, and what has to be done for it; None where nothing has."""

    answer: Answer
    partner: Partner | None = None
    before: Partner | None = None
    proposal: Proposal | None = None


def plan(
    settings: Settings,
    orders: Sequence[Order],
    now: float,
    *,
    fingerprints: Mapping[str, str] = MappingProxyType({}),
    unlisted: bool = False,
) -> Iterator[Planned]:
    """What would become of each order, in their order, if those before it were carried out. Changes nothing.

    `fingerprints`, by code, were confirmed by another channel for cards whose order names none.
    """
    seen: dict[str, str] = {}
    for order in orders:
        try:
            planned = _planned(settings, order, now, fingerprints, unlisted=unlisted)
            code = planned.answer.code or ""
            if code in seen:
                raise UsageWrong(f"{code} stands in {seen[code]} already.")
            seen[code] = order.where
        except GatewayError as error:
            planned = Planned(Answer(order.where, order.code, None, Outcome.REFUSED, error.reason))
        if planned.partner is not None:
            code = planned.partner.code
            stopped = {other: each for other, each in settings.stopped.items() if other != code}
            settings = replace(settings, partners={**settings.partners, code: planned.partner}, stopped=stopped)
        yield planned


def carry_out(settings: Settings, log: Logger, planned: Sequence[Planned], decision: Decision) -> None:
    """Do what was planned, partner by partner, each complete before the next; what was refused is left out.

    The chain is told first: what is broken off and run again is told twice, and nothing is done that nobody was told of.
    """
    keys = key_store(settings.home.keyrings)
    for each in planned:
        if each.partner is not None:
            require_unchanged(settings, each.partner.code)
    with stage_context(settings, log) as context:
        for each in planned:
            if each.partner is None:
                continue
            require_unchanged(settings, each.partner.code)
            if each.proposal is not None:
                proposal = each.proposal
                with context.ledger.write() as transaction:
                    key_events.record_introduced(transaction, each.before, each.partner, decision)
                introduction.keep(proposal.offered.card, each.partner, settings, keys, proposal.overlaps)
            else:
                with context.ledger.write() as transaction:
                    transaction.record(
                        "partner.changed", "site", each.partner.code, each.partner.code, **decision.detail
                    )
                write_partner(settings.home, each.partner)
    share_out(settings.home)


def _planned(
    settings: Settings, order: Order, now: float, fingerprints: Mapping[str, str], *, unlisted: bool
) -> Planned:
    if order.fault is not None:
        raise UsageWrong(order.fault)
    if order.card is None:
        before = readable_partner(settings, order.code or "")
        if order.fingerprint is not None:
            raise UsageWrong("fingerprint: goes with a card; keys come from cards alone.")
        return _changed(settings, order, before, before, None)
    offered = open_card(settings, _read(order.card), now, unlisted=unlisted)
    card = offered.card
    if order.code is not None and order.code != card.site:
        raise CardRefused(f"The card is that of {card.site}, not of {order.code}.")
    confirmed = order.fingerprint or fingerprints.get(card.site)
    proposal = propose(settings, offered, order.options, now, fingerprint=confirmed, overlap=None)
    if not proposal.confirmed and not proposal.is_signed_by_partner:
        why = "Nobody confirmed the fingerprint: let the partner read it out on a number that you know."
        answer = Answer(order.where, card.site, card.name, Outcome.UNCONFIRMED, why, card.fingerprint)
        return Planned(answer)
    return _changed(settings, order, offered.before, proposal.chosen.partner, proposal)


def _changed(
    settings: Settings, order: Order, before: Partner | None, partner: Partner, proposal: Proposal | None
) -> Planned:
    """The partner with what the order says about it."""
    new = _with_values(partner, order)
    if proposal is None and order.options != PartnerOptions():
        new = new.model_copy(update=introduction.decided(settings, new, order.options))
    if new != partner and (faults := would_break(settings, new)):
        raise ConfigurationInvalid("; ".join(faults))
    change = () if before is None else difference(before, new)
    outcome = Outcome.ADDED if before is None else Outcome.CHANGED if change else Outcome.UNCHANGED
    warning = "" if proposal is None or proposal.offered.warning is None else proposal.offered.warning
    answer = Answer(order.where, new.code, new.name, outcome, warning, new.fingerprint, change)
    return Planned(answer) if outcome is Outcome.UNCHANGED else Planned(answer, new, before, proposal)


def _with_values(partner: Partner, order: Order) -> Partner:
    values = partner.model_dump() | dict(order.values)
    if order.endpoint:
        if partner.endpoint is None:
            raise UsageWrong(
                "host, port, user, path: the partner has no endpoint; that and its host key come from its card."
            )
        values["endpoint"] = partner.endpoint.model_dump() | dict(order.endpoint)
    try:
        return Partner.model_validate(values)
    except ValidationError as error:
        raise UsageWrong("; ".join(_faults(error))) from error


def _faults(error: ValidationError) -> Iterator[str]:
    """What is wrong, in the words of the settings' descriptions."""
    told: set[str] = set()
    for detail in error.errors(include_url=False, include_context=False, include_input=False):
        of_endpoint = detail["loc"][0] == "endpoint"
        name = str(detail["loc"][1 if of_endpoint else 0])
        if name not in told:
            told.add(name)
            model = EndpointSettings if of_endpoint else Partner
            yield f"{name}: must be {model.model_fields[name].description}"


def _read(card: Path) -> bytes:
    if card.exists() and not card.is_file():  # to open a pipe would wait for whoever writes into it
        raise UsageWrong(f"{card.name} is no file.")
    try:
        with card.open("rb") as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageWrong(f"The card {card.name} cannot be read: {error.strerror}.") from error
