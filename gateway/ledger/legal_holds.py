"""Writing legal holds: a person has something kept beyond its time, and ends that. The event is about what is held."""

from __future__ import annotations

from sqlalchemy import update

from gateway.domain.decision import Decision
from gateway.ledger.queries.legal_holds import PARTNER
from gateway.ledger.store import Transaction
from gateway.ledger.tables import HOLDS
from gateway.ledger.units import LegalHold


def place(transaction: Transaction, identity: str, kind: str, unit: str, partner: str, decision: Decision) -> None:
    """Keep what `units.LegalHold` says by these columns, until `release`."""
    row = {"id": identity, "kind": kind, "unit": unit, "partner": partner, "reason": decision.reason}
    transaction.insert(HOLDS, [row])
    transaction.record("hold.placed", _noun(kind), unit, partner, holds=[identity], **decision.detail)


def release(transaction: Transaction, hold: LegalHold, decision: Decision) -> None:
    """Let the time of what it keeps count again."""
    transaction.connection.execute(
        update(HOLDS)
        .where(HOLDS.c.key == hold.key, HOLDS.c.released.is_(None))
        .values(released=transaction.now, updated=transaction.now)
    )
    transaction.record("hold.released", _noun(hold.kind), hold.unit, hold.partner, holds=[hold.id], **decision.detail)


def _noun(kind: str) -> str:
    """What the chain calls what is held: a partner is its lane."""
    return "lane" if kind == PARTNER else kind
