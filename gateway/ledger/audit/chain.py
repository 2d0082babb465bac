"""What the ledger says of itself, first part: does the chain hold? And what every part of an audit reports.

Pure over a Connection. Nothing is raised for what is found wrong: that is a Fault, and all of them are reported. The other
parts are `rows` (rows against the chain), `heads` (what partners know of the chain, and we of theirs) and `files` (bytes on
disk against the rows).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from functools import partial
from typing import Any, Final

import orjson
from sqlalchemy import Connection

from gateway.errors import ChainBroken
from gateway.ledger.chain import EMPTY, ChainEntry, Head, verify
from gateway.ledger.store import driver_of

Watch = Callable[[str, int], None]
"""Called now and then with what is being looked at, and how many so far."""

EVERY: Final = 2000
"""Rows fetched, and steps told, at a time."""

_COLUMNS: Final = [field.name for field in fields(ChainEntry)]
_LAST: Final = 2**63 - 1


@dataclass(frozen=True)
class Fault:
    """One thing that does not agree: which check found it (chain, row, head, partner, file), about what, a sentence."""

    check: str
    subject: str
    message: str


@contextmanager
def any_text(connection: Connection) -> Iterator[Connection]:
    """Read what is no UTF-8 with U+FFFD in its place, instead of not at all: whoever put it there is to be found."""
    driver = driver_of(connection)
    driver.text_factory = partial(str, encoding="utf-8", errors="replace")
    try:
        yield connection
    finally:
        driver.text_factory = str


def silent(_what: str, _count: int) -> None:
    """Nobody watches."""


def check_chain(
    connection: Connection, watch: Watch = silent, since: Head = EMPTY, until: int | None = None
) -> Iterator[Fault]:
    """The chain, event by event; after a break it goes on from what it found, so that every break is told.

    From the event after `since`, which was verified before, and as far as event `until`.
    """
    head = since
    query = f"SELECT {', '.join(_COLUMNS)} FROM events WHERE sequence > ? AND sequence <= ? ORDER BY sequence"  # noqa: S608
    for row in driver_of(connection).execute(query, (since.sequence, _LAST if until is None else until)):
        if row[0] % EVERY == 0:
            watch("events", row[0])
        # What holds is told at once; `verify` knows why it does not.
        if row[0] != head.sequence + 1 or row[-2] != head.sha256 or row[-1] != _digest(row[:-1]):
            yield Fault("chain", f"event {row[0]}", _break(ChainEntry(*row), head))
        head = Head(row[0], row[-1])


def _digest(values: Sequence[Any]) -> str | None:
    """None where a value is of a kind that no program wrote."""
    try:
        return hashlib.sha256(orjson.dumps(values)).hexdigest()
    except TypeError:
        return None


def _break(entry: ChainEntry, head: Head) -> str:
    try:
        list(verify([entry], after=head))
    except ChainBroken as error:
        return error.reason
    except TypeError:
        pass
    return f"event {entry.sequence} was altered"


def loaded(text: str | None) -> dict[str, Any]:
    """A JSON object as the ledger keeps it; an empty one where somebody left anything else in its place."""
    try:
        value = orjson.loads(text or "{}")
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}
