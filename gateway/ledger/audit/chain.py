"""What the ledger says of itself, first part: does the chain hold? And what every part of an audit reports.

Pure over a Connection. Nothing is raised for what is found wrong: that is a Fault, and all of them are reported. The other
parts are `audit_rows` (rows against events), `audit_heads` (what partners know of the chain, and we of theirs) and
`audit_files` (bytes on disk against the rows).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import Connection

from gateway.errors import ChainBroken
from gateway.ledger.chain import EMPTY, ChainEntry, Head, verify
from gateway.ledger.queries import events

Watch = Callable[[str, int], None]
"""Called now and then with what is being looked at, and how many so far."""

EVERY: Final = 2000
"""Rows fetched, and steps told, at a time."""


@dataclass(frozen=True)
class Fault:
    """One thing that does not agree: which check found it (chain, row, head, partner, file), about what, a sentence."""

    check: str
    subject: str
    message: str


def silent(_what: str, _count: int) -> None:
    """Nobody watches."""


def check_chain(connection: Connection, watch: Watch = silent) -> Iterator[Fault]:
    """The whole chain, event by event; after a break it goes on from what it found, so that every break is told."""
    head, broken = EMPTY, True
    while broken:
        broken = False
        entries = _steps(events.chain(connection, after=head.sequence), watch)
        last: list[ChainEntry] = []
        try:
            for entry in verify(_remembered(entries, last), after=head):
                head = Head(entry.sequence, entry.sha256)
        except ChainBroken as error:
            yield Fault("chain", f"event {last[0].sequence}", error.reason)
            head, broken = Head(last[0].sequence, last[0].sha256), True


def _remembered(entries: Iterable[ChainEntry], last: list[ChainEntry]) -> Iterator[ChainEntry]:
    for entry in entries:
        last[:] = [entry]
        yield entry


def _steps(entries: Iterable[ChainEntry], watch: Watch) -> Iterator[ChainEntry]:
    for entry in entries:
        if entry.sequence % EVERY == 0:
            watch("events", entry.sequence)
        yield entry


def loaded(text: str | None) -> dict[str, Any]:
    """A JSON object as the ledger keeps it; an empty one where somebody left anything else in its place."""
    try:
        value = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
