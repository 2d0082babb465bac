"""Why something was held back: what whoever asks for its release or removal sees, and whoever agrees to it. Reads only; raises nothing."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.domain.requests import Act
from gateway.errors import NotFound
from gateway.ledger.queries.identities import find
from gateway.ledger.queries.quarantine import find_quarantined
from gateway.ledger.store import Connection

_DECISIONS = (Act.RELEASE, Act.DISCARD)


@dataclass(frozen=True)
class HeldBack:
    """The findings, a line each, with the place in the file where there is one; and the address of the page about it."""

    lines: tuple[str, ...]
    path: str


def held_back(connection: Connection, act: Act, subject: str) -> HeldBack | None:
    """Why the one thing that `subject` names was held back; None for other acts, for a lane, and for what is not there."""
    if act not in _DECISIONS:
        return None
    try:
        if act is Act.DISCARD:
            locked = find_quarantined(connection, subject)
            return HeldBack(_lines(locked.reason, locked.code), f"/quarantine/{locked.id}")
        row = find(connection, subject)
    except NotFound:
        return None
    room = "transfers" if row.kind == "transfer" else "consignments"
    return HeldBack(_lines(row.reason, row.code), f"/{room}/{row.id}")


def _lines(reason: str | None, code: str | None) -> tuple[str, ...]:
    lines = (reason or "").splitlines()
    if len(lines) == 1 and code and f"[{code}]" not in lines[0]:
        lines = [f"{lines[0]} [{code}]"]
    return tuple(lines)
