"""Legal holds: a person has a transfer, a consignment, something quarantined, or all of a partner kept beyond its time.

Raises NotFound where nothing, or more than one thing, has that id; UsageWrong where it is held already, or is not held.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.administration.requests.actors import stage_context
from gateway.domain.decision import Decision
from gateway.errors import NotFound, UsageWrong
from gateway.ledger import legal_holds
from gateway.ledger.queries.identities import find
from gateway.ledger.queries.legal_holds import PARTNER, active, is_known
from gateway.ledger.queries.quarantine import find_quarantined
from gateway.ledger.queries.retention import erased_at
from gateway.ledger.store import Connection
from gateway.logs import Logger
from gateway.settings.model import Settings


@dataclass(frozen=True)
class Kept:
    """What a hold is about: `kind` is transfer, consignment, quarantine or partner. `erased` says when its names were erased before."""

    kind: str
    id: str
    partner: str
    erased: str | None = None


def place(settings: Settings, log: Logger, identity: str | None, partner: str | None, decision: Decision) -> Kept:
    """Keep what has an id that starts so, or everything of a partner, until `release`."""
    with stage_context(settings, log) as context, context.ledger.write() as transaction:
        kept = _found(settings, transaction.connection, identity, partner)
        if any(
            (each.kind, each.unit, each.partner) == (kept.kind, kept.id, kept.partner)
            for each in active(transaction.connection)
        ):
            raise UsageWrong(f"{kept.kind} {kept.id} is on legal hold already")
        legal_holds.place(transaction, context.new_id(), kept.kind, kept.id, kept.partner, decision)
    return kept


def release(settings: Settings, log: Logger, identity: str | None, partner: str | None, decision: Decision) -> Kept:
    """End the hold on it: its time counts again, from where it began."""
    with stage_context(settings, log) as context, context.ledger.write() as transaction:
        kept = _found(settings, transaction.connection, identity, partner)
        found = [
            each
            for each in active(transaction.connection)
            if (each.kind, each.unit, each.partner) == (kept.kind, kept.id, kept.partner)
        ]
        if not found:
            raise UsageWrong(f"{kept.kind} {kept.id} is not on legal hold: `gateway retention --dry-run` lists what is")
        for each in found:
            legal_holds.release(transaction, each, decision)
    return kept


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
