"""Record that somebody opens a payload, before anything of it is shown. Raises what the ledger raises."""

from __future__ import annotations

from gateway.domain.decision import Decision
from gateway.domain.shown import Shown
from gateway.ledger.store import Ledger
from gateway.ledger.units import Request, Transfer
from gateway.settings.model import Settings


def record_opening(_settings: Settings, ledger: Ledger, request: Request, row: Transfer, _shown: Shown) -> None:
    """Who opened which transfer, and why: an event of the chain. `shown` has the cases by which a check may be drawn."""
    decision = Decision(request.actor, request.reason)
    with ledger.write() as transaction:
        transaction.record("payload.opened", "transfer", row.id, row.partner, flow=row.flow, **decision.detail)
