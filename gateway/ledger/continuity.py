"""Writing business continuity: invoked, said how it stands, somebody told, ended. The chain is the record; each is one event with who decided.

A command calls these in a transaction, and so does the role that carries out what people of the console asked. Raises UsageWrong where it is
invoked already, or is not.
"""

from __future__ import annotations

from gateway.domain.decision import Decision
from gateway.errors import UsageWrong
from gateway.ledger.queries.continuity import ENDED, INVOKED, SUBJECT, TOLD, UPDATED, invoked
from gateway.ledger.store import Transaction


def invoke(transaction: Transaction, decision: Decision) -> None:
    """Invoke it."""
    if (known := invoked(transaction.connection)) is not None:
        raise UsageWrong(f"Continuity is invoked since {known.since}: `gateway continuity update` says how it stands.")
    transaction.record(INVOKED, SUBJECT, SUBJECT, **decision.detail)


def update(transaction: Transaction, decision: Decision) -> None:
    """Say how it stands."""
    _require_invoked(transaction)
    transaction.record(UPDATED, SUBJECT, SUBJECT, **decision.detail)


def told(transaction: Transaction, place: int, length: int, decision: Decision) -> None:
    """Note that whoever has this place, from 1, in a list of that length was told."""
    if not 1 <= place <= length:
        raise UsageWrong(f"The list in [continuity] tell has {length} lines, and no line {place}.")
    _require_invoked(transaction)
    transaction.record(TOLD, SUBJECT, SUBJECT, count=place, **decision.detail)


def end(transaction: Transaction, decision: Decision) -> None:
    """End it."""
    _require_invoked(transaction)
    transaction.record(ENDED, SUBJECT, SUBJECT, **decision.detail)


def _require_invoked(transaction: Transaction) -> None:
    if invoked(transaction.connection) is None:
        raise UsageWrong("Continuity is not invoked: `gateway continuity invoke --reason TEXT` invokes it.")
