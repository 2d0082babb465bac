"""What PostgreSQL's errors mean. Never with values of rows: of the server's words only those about connecting and about rights are passed on."""

from __future__ import annotations

from typing import Any, Final

from gateway.errors import (
    GatewayError,
    ImpossibleMove,
    LaneLost,
    LedgerAway,
    LedgerBusy,
    LedgerCorrupt,
    LedgerFull,
    LedgerRefused,
)

_BUSY: Final = frozenset({"40001", "40P01", "55P03"})
"""Serialization failure, deadlock, lock not available."""
_FULL: Final = "53100"
_DAMAGED: Final = frozenset({"XX001", "XX002"})
_REFUSED: Final = frozenset({"23", "P0"})
"""Classes: a rule of a table, and a trigger of the ledger's."""
FENCED: Final = "GN001"
"""Our own: the fence refuses (`postgresql.guards`)."""
_LOST: Final = frozenset({"OperationalError", "InterfaceError"})
"""What psycopg itself says of a connection; by name, for whoever has no psycopg comes here too."""
_CONNECTING: Final = frozenset({"08", "28", "3D", "57"})
_NAMELESS: Final = frozenset({"25006", "42501"})
"""A read-only transaction, a right that is missing: the words name a table, and no value."""
_TOO_SILENT: Final = "25P03"
"""The server has ended a connection whose transaction stood still."""


def translate(cause: Any) -> GatewayError:
    """The gateway's word for an error of psycopg."""
    state: str | None = cause.sqlstate
    about = getattr(cause, "diag", None)
    words = " ".join(filter(None, (type(cause).__name__, state, getattr(about, "constraint_name", None))))
    lost = state is None and _LOST & {each.__name__ for each in type(cause).__mro__}
    if lost or state == _TOO_SILENT or (state or "")[:2] in _CONNECTING:
        return LedgerAway(f"PostgreSQL: {type(cause).__name__}{_first_line(cause)}")
    if state in _BUSY:
        return LedgerBusy()
    if state == _FULL:
        return LedgerFull("PostgreSQL has no room for the ledger")
    if state in _DAMAGED:
        return LedgerCorrupt(f"PostgreSQL: {words}")
    if state == FENCED:
        return LaneLost("another node has the lane, or this one counts as gone")
    if (state or "")[:2] in _REFUSED:
        return ImpossibleMove(f"the ledger refuses it: {words}")
    return LedgerRefused(f"PostgreSQL: {words}{_first_line(cause) if state in _NAMELESS else ''}")


def _first_line(cause: Any) -> str:
    line = str(cause).strip().partition("\n")[0]
    return f": {line[:160]}" if line else ""
