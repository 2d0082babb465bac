"""Evidence that somebody of the console takes away: recorded before a byte of it is given.

Needs the ledger and the domain only. Raises RightMissing where that person may not have it now, and what the ledger raises.
"""

from __future__ import annotations

from gateway.domain.decision import Decision
from gateway.ledger import requests
from gateway.ledger.store import Ledger
from gateway.ledger.units import Request


def take(ledger: Ledger, request: Request, user: str) -> None:
    """Record that `user` takes the evidence that was made for a request."""
    with ledger.write() as transaction:
        requests.require_right(transaction.connection, user, request.act.right)
        told = Decision(user).detail
        transaction.record("evidence.taken", requests.KIND, request.id, request.partner, transfer=request.unit, **told)
