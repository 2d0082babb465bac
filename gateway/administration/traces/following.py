"""The traces of transfers that ended at a site, from a number of the chain on, a bounded batch at a time. Raises what the ledger raises."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Final

from gateway.administration.traces.spans import ANSWERED, OUT_ENDS, Trace, trace_of
from gateway.domain.identity import to_text
from gateway.domain.states import Direction
from gateway.ledger.chain import ChainEntry
from gateway.ledger.queries.consignments import carried
from gateway.ledger.queries.events import events_of, last_before, some_named
from gateway.ledger.queries.figures import last_sequence
from gateway.ledger.queries.identities import one
from gateway.ledger.store import Connection
from gateway.ledger.units import Transfer

MOST_TRANSFERS: Final = 250
"""Transfers of one batch, but for one more consignment, which is not divided."""
_ENDS: Final = sorted(OUT_ENDS | ANSWERED)


def start_of(connection: Connection, since: float) -> int:
    """The number of the event to begin after: the last one before a moment, in seconds since 1970."""
    return last_before(connection, to_text(since))


def follow(
    read: Callable[[], AbstractContextManager[Connection]], site: str, after: int, pause: Callable[[], bool]
) -> Iterator[tuple[Trace, ...]]:
    """Batches of traces that ended after that number, and of those that end; `pause` is called where there is none, and says whether
    to go on. Each question has a view of its own, so that following for days keeps nobody's ledger from being tidied.
    """
    while True:
        with read() as connection:
            until = last_sequence(connection)
            entries = some_named(connection, _ENDS, after, until, MOST_TRANSFERS)
            rows, last = _ended(connection, entries)
            until = until if last is None else last
            traces = _traces(connection, site, rows, after, until)
        if traces:
            yield traces
        after = until
        if last is None and not pause():
            return


def _ended(connection: Connection, entries: Sequence[ChainEntry]) -> tuple[list[Transfer], int | None]:
    """The transfers that these events may end, up to a full batch; the number of its last event, None where that is the chain's end."""
    rows: dict[tuple[str, int], Transfer] = {}
    for entry in entries:
        if entry.partner is None:
            continue
        if entry.kind == "transfer":
            found = one(connection, Transfer, Direction.OUT, entry.partner, entry.subject)
            rows |= {} if found is None else {("out", found.key): found}
        else:
            rows |= {("in", row.key): row for row in carried(connection, Direction.IN, entry.partner, entry.subject)}
        if len(rows) >= MOST_TRANSFERS:
            return list(rows.values()), entry.sequence
    return list(rows.values()), entries[-1].sequence if len(entries) == MOST_TRANSFERS else None


def _traces(connection: Connection, site: str, rows: Sequence[Transfer], after: int, until: int) -> tuple[Trace, ...]:
    found: list[Trace] = []
    for start in range(0, len(rows), MOST_TRANSFERS):  # a list of a query is bounded
        group = rows[start : start + MOST_TRANSFERS]
        subjects = {row.id for row in group} | {row.consignment for row in group if row.consignment}
        told: dict[str, list[ChainEntry]] = {}
        for entry in events_of(connection, sorted(subjects)):
            told.setdefault(entry.subject, []).append(entry)
        for row in group:
            events = told.get(row.id, []) + told.get(row.consignment or "", [])
            trace = trace_of(site, row, sorted(events, key=lambda each: each.sequence))
            # What ends again later is told then; what had ended before was told.
            if trace is not None and after < trace.ended <= until:
                found.append(trace)
    return tuple(found)
