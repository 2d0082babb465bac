"""What the ledger says of itself, first part: does the chain hold? And what every part of an audit reports.

Pure over a Connection. Nothing is raised for what is found wrong: that is a Fault, and all of them are reported. The other
parts are `schema` (tables and indices), `rows` (rows against events), `heads` (what partners know of the chain, and we of
theirs) and `files` (bytes on disk against the rows). Events and rows are read from their tables, never by an index, which
somebody may have made to leave out some of them.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import orjson
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from gateway.errors import ChainBroken, DiskFull, ImpossibleMove, LedgerBusy
from gateway.ledger.capture import stream
from gateway.ledger.chain import EMPTY, ChainEntry, Head, in_order, verify
from gateway.ledger.engine import driver_of, sqlite_of
from gateway.ledger.integrity import translate

Watch = Callable[[str, int], None]
"""Called now and then with what is being looked at, and how many so far."""

EVERY: Final = 2000
"""Rows fetched, and steps told, at a time."""

_COLUMNS: Final = ChainEntry._fields
_LAST: Final = 2**63 - 1


@dataclass(frozen=True)
class Fault:
    """One thing that does not agree: which check found it (schema, chain, row, head, partner, file), about what, a sentence."""

    check: str
    subject: str
    message: str


@contextmanager
def any_text(connection: Connection) -> Iterator[Connection]:
    """Read what is no UTF-8 with U+FFFD in its place, instead of not at all: whoever put it there is to be found. PostgreSQL takes
    none in.
    """
    driver = sqlite_of(connection)
    if driver is None:
        yield connection
        return
    driver.text_factory = partial(str, encoding="utf-8", errors="replace")
    try:
        yield connection
    finally:
        driver.text_factory = str


@contextmanager
def to_the_end(check: str, faults: list[Fault]) -> Iterator[None]:
    """One fault more where the ledger cannot be read any further: whoever put in what no program wrote ends no audit.

    LedgerBusy and DiskFull say nothing of the ledger, and are raised.
    """
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        known = translate(error)
        if isinstance(known, LedgerBusy | DiskFull):
            raise known from error
        faults.append(Fault(check, "the ledger", f"it cannot be read any further: {known.reason}"))
    except (ImpossibleMove, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        what = error.reason if isinstance(error, ImpossibleMove) else type(error).__name__
        faults.append(Fault(check, "the ledger", f"it holds what no program wrote: {what}"))


def told(check: str, *parts: Iterable[Fault]) -> Iterator[Fault]:
    """What each part of a check finds, as far as it comes."""
    for part in parts:
        ends: list[Fault] = []
        with to_the_end(check, ends):
            yield from part
        yield from ends


def silent(_what: str, _count: int) -> None:
    """Nobody watches."""


def check_chain(
    connection: Connection, watch: Watch = silent, since: Head = EMPTY, until: int | None = None
) -> Iterator[Fault]:
    """The chain, event by event; after a break it goes on from what it found, so that every break is told.

    From the event after `since`, which was verified before, and as far as event `until`.
    """
    head = since
    query = (
        f"SELECT {', '.join(_COLUMNS)} FROM events NOT INDEXED WHERE sequence > ? AND sequence <= ? ORDER BY sequence"  # noqa: S608
    )
    for row in stream(driver_of(connection), query, (since.sequence, _LAST if until is None else until)):
        if row[0] % EVERY == 0:
            watch("events", row[0])
        # What holds is told at once; `verify` knows why it does not.
        if not in_order(row[0], row[3], head.sequence) or row[-2] != head.sha256 or row[-1] != _digest(row[:-1]):
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
