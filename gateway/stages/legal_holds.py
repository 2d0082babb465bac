"""Legal holds: a person has a transfer, a consignment, something quarantined, or all of a partner kept beyond its time.

A command says what it means by an id or a partner's code; a request of the console by one text, which is a whole id or a code. Raises
NotFound where nothing, or more than one thing, has that id; UsageWrong where it is held already, or is not held.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.domain.decision import Decision
from gateway.domain.identity import is_id
from gateway.errors import NotFound, UsageWrong
from gateway.ledger import legal_holds
from gateway.ledger.queries.identities import find
from gateway.ledger.queries.legal_holds import PARTNER, active, is_known
from gateway.ledger.queries.quarantine import find_quarantined
from gateway.ledger.queries.retention import erased_at
from gateway.ledger.store import Connection, Transaction
from gateway.ledger.units import LegalHold
from gateway.settings.model import Settings
from gateway.stages.context import StageContext
from gateway.stages.decisions import Decided


@dataclass(frozen=True)
class Kept:
    """What a hold is about: `kind` is transfer, consignment, quarantine or partner. `erased` says when its names were erased before."""

    kind: str
    id: str
    partner: str
    erased: str | None = None


def place(
    context: StageContext, transaction: Transaction, identity: str | None, partner: str | None, decision: Decision
) -> Kept:
    """Keep what has an id that starts so, or everything of a partner, until `release`."""
    kept = _found(context.settings, transaction.connection, identity, partner)
    if _holds_on(transaction.connection, kept):
        raise UsageWrong(f"{kept.kind} {kept.id} is on legal hold already")
    legal_holds.place(transaction, context.new_id(), kept.kind, kept.id, kept.partner, decision)
    return kept


def release(
    context: StageContext, transaction: Transaction, identity: str | None, partner: str | None, decision: Decision
) -> Kept:
    """End the hold on it: its time counts again, from where it began."""
    kept = _found(context.settings, transaction.connection, identity, partner)
    found = _holds_on(transaction.connection, kept)
    if not found:
        raise UsageWrong(f"{kept.kind} {kept.id} is not on legal hold: `gateway retention --dry-run` lists what is")
    for each in found:
        legal_holds.release(transaction, each, decision)
    return kept


def place_asked(context: StageContext, transaction: Transaction, about: str, decision: Decision) -> Decided:
    """Keep what a request is about."""
    kept = place(context, transaction, *_meant(about), decision)
    return Decided(kept.kind, kept.id, kept.partner, "on legal hold")


def release_asked(context: StageContext, transaction: Transaction, about: str, decision: Decision) -> Decided:
    """End the hold on what a request is about."""
    kept = release(context, transaction, *_meant(about), decision)
    return Decided(kept.kind, kept.id, kept.partner, "no longer on hold")


def _meant(about: str) -> tuple[str | None, str | None]:
    return (about, None) if is_id(about) else (None, about)


def _holds_on(connection: Connection, kept: Kept) -> list[LegalHold]:
    meant = (kept.kind, kept.id, kept.partner)
    return [each for each in active(connection) if (each.kind, each.unit, each.partner) == meant]


def _found(settings: Settings, connection: Connection, identity: str | None, partner: str | None) -> Kept:
    if (identity is None) == (partner is None):
        raise UsageWrong("Give the ID of what is to be kept, or --partner CODE.")
    if partner is not None:
        if partner not in settings.codes and not is_known(connection, partner):
            raise NotFound(f"There is no partner {partner[:40]!r}, and nothing of one is here.")
        return Kept(PARTNER, partner, partner)
    try:
        row = find(connection, identity or "")
    except NotFound as error:
        if error.reason.startswith("more"):
            raise
        locked = find_quarantined(connection, identity or "")
        return Kept(
            "quarantine", locked.id, locked.partner, erased_at(connection, "quarantine", locked.id, locked.partner)
        )
    return Kept(row.kind, row.id, row.partner, erased_at(connection, row.kind, row.id, row.partner))
