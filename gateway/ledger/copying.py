"""Copying a whole ledger into another database, of whichever kind, so that the copy holds the same chain and the same rows.

The chain comes first, verified event by event; then each table, a stretch of keys at a time, in which what differs is written anew.
Each stretch is a transaction: a copy that was broken off goes on, and one that is older than its source is brought up to it. At the end
the copy's own chain and rows are verified. Nobody may write to either meanwhile. A PostgreSQL database that was copied from is closed
then, and says where its ledger went: a node that was left over would go on with it. A copy that comes back opens it again.

Raises UsageWrong where the other database holds another ledger, or a later state of this one; ChainBroken where the source's
chain does not hold; what `integrity.translate` gives.
"""

from __future__ import annotations

import platform
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from itertools import islice
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, Engine, Table, delete, func, insert, select, tuple_
from sqlalchemy.exc import SQLAlchemyError

from gateway.errors import LedgerCorrupt, LedgerMoved, UsageWrong
from gateway.ledger.audit.chain import check_chain
from gateway.ledger.audit.rows import check_rows
from gateway.ledger.bulk import insert_entries
from gateway.ledger.chain import EMPTY, Head, verify
from gateway.ledger.engine import driver_of, open_engine, sqlite_of
from gateway.ledger.integrity import check, is_there, require_file, translate
from gateway.ledger.migrate import migrate
from gateway.ledger.place import Place
from gateway.ledger.queries.events import chain
from gateway.ledger.store import event_digest, read_head
from gateway.ledger.tables import EVENTS, METADATA, WORKING

Watch = Callable[[str, int], None]
"""Called with what is being copied, and how much of it so far."""

_EVENTS: Final = 2000
_ROWS: Final = 1000
TABLES: Final = tuple(table for table in METADATA.sorted_tables if table not in {EVENTS, *WORKING})


class Copied(NamedTuple):
    """The head that both chains have now; how many events and how many rows were written, and how many rows there are."""

    head: Head
    events: int
    written: int
    rows: int


class Plan(NamedTuple):
    """The source's head, the head of what the target holds (EMPTY for nothing), and how many rows are to be looked at."""

    head: Head
    there: Head
    rows: int


def plan(source: Place, target: Place) -> Plan:
    """What `copy` would begin with; nothing is changed or made."""
    check(source, exact=True)
    with _opened(source) as engine, _reading(engine) as connection:
        head = read_head(connection)
        rows = sum(connection.scalar(select(func.count()).select_from(table)) or 0 for table in TABLES)
        there = EMPTY
        if _has_ledger(target):
            check(target, exact=True, moved=True)
            with _opened(target) as other, _reading(other) as copy:
                there = _shared_head(connection, copy)
    return Plan(head, there, rows)


def copy(source: Place, target: Place, watch: Watch) -> Copied:
    """Make the ledger at `target`, or bring it up to the one at `source`, which is closed then where it is PostgreSQL's."""
    planned = plan(source, target)
    with _opened(source) as engine, _reading(engine) as connection:
        done = _copy(connection, target, planned, watch)
    if isinstance(source, str):
        from gateway.ledger.postgresql import going_on  # noqa: PLC0415 - only where it is used

        with _opened(source) as engine, _writing(engine) as connection:
            if read_head(connection) != done.head:
                raise UsageWrong(
                    "Somebody has written to the ledger meanwhile: stop the gateway at every node, and copy again."
                )
            going_on.close(driver_of(connection), LedgerMoved(_where(target, done.head)))
    return done


def _where(target: Place, head: Head) -> str:
    there = target if isinstance(target, str) else f"{target} on machine {platform.node()}"
    return f"the ledger was copied, up to event {head.sequence}, to {there}, and goes on there"


def copy_at_one_moment(source: str, target: Place, meanwhile: Callable[[], None], watch: Watch) -> Head:
    """Copy the ledger of a PostgreSQL database as it is at one moment; the chain's head then. `meanwhile` is called at that moment:
    every commit before it is in the copy, none after it is, and nobody can commit until it returns.
    """
    check(source, exact=True)
    with _opened(source) as engine, _reading(engine) as connection:
        with _writing(engine):
            planned = Plan(read_head(connection), EMPTY, 0)
            meanwhile()
        return _copy(connection, target, planned, watch).head


def _copy(connection: Connection, target: Place, planned: Plan, watch: Watch) -> Copied:
    migrate(target)
    with _opened(target) as other:
        events = _copy_events(connection, other, planned.there, watch)
        found = [_copy_table(connection, other, table, watch) for table in TABLES]
        _verify(other, planned.head, watch)
        if isinstance(target, str):
            from gateway.ledger.postgresql import going_on  # noqa: PLC0415 - only where it is used

            with _writing(other) as last:
                going_on.reopen(driver_of(last))
    return Copied(planned.head, events, sum(written for written, _ in found), sum(rows for _, rows in found))


def _has_ledger(place: Place) -> bool:
    if isinstance(place, str):
        return is_there(place)
    if not place.exists():
        return False
    require_file(place)
    return is_there(place)


def _shared_head(connection: Connection, copy: Connection) -> Head:
    """The head of the copy, which the source's chain has to have."""
    there = read_head(copy)
    if there != EMPTY and event_digest(connection, there.sequence) != there.sha256:
        raise UsageWrong(
            f"The other database holds event {there.sequence} of another chain, or has gone on by itself: it stays as it is. Name a"
            " database without a ledger."
        )
    return there


def _copy_events(connection: Connection, other: Engine, there: Head, watch: Watch) -> int:
    entries, count = verify(chain(connection, there.sequence), there), 0
    while batch := list(islice(entries, _EVENTS)):
        with _writing(other) as copy:
            insert_entries(copy, batch)
        count += len(batch)
        watch("events", count)
    return count


def _copy_table(connection: Connection, other: Engine, table: Table, watch: Watch) -> tuple[int, int]:
    """How many rows were written, and how many there are."""
    last: tuple[Any, ...] | None = None
    written = count = 0
    while True:
        rows = _stretch(connection, table, last, None, _ROWS)
        until = _key(table, rows[-1]) if rows else None
        with _writing(other) as copy:
            if _stretch(copy, table, last, until, None) != rows:
                copy.execute(delete(table).where(*_between(table, last, until)))
                if rows:
                    copy.execute(insert(table), [dict(row) for row in rows])
                written += len(rows)
            if not rows:
                _number_on(copy, table)
                return written, count
        last, count = until, count + len(rows)
        watch(table.name, count)


def _stretch(
    connection: Connection, table: Table, after: Sequence[Any] | None, until: Sequence[Any] | None, most: int | None
) -> list[Mapping[str, Any]]:
    query = select(table).where(*_between(table, after, until)).order_by(*table.primary_key).limit(most)
    return [dict(row) for row in connection.execute(query).mappings()]


def _between(table: Table, after: Sequence[Any] | None, until: Sequence[Any] | None) -> list[Any]:
    key = tuple_(*table.primary_key)
    return [*([] if after is None else [key > tuple(after)]), *([] if until is None else [key <= tuple(until)])]


def _key(table: Table, row: Mapping[str, Any]) -> tuple[Any, ...]:
    return tuple(row[column.name] for column in table.primary_key)


def _number_on(copy: Connection, table: Table) -> None:
    """Let PostgreSQL number new rows after those that came with their numbers."""
    if sqlite_of(copy) is None and "key" in table.c:
        last = select(func.max(table.c.key)).scalar_subquery()
        copy.execute(select(func.setval(func.pg_get_serial_sequence(table.name, "key"), func.coalesce(last, 1))))


def _verify(other: Engine, head: Head, watch: Watch) -> None:
    """LedgerCorrupt where the copy is not what its chain says."""
    with _reading(other) as copy:
        faults = [*check_chain(copy, watch), *check_rows(copy, watch)]
        if read_head(copy) != head:
            raise LedgerCorrupt("the copy's chain does not end as the source's does")
    if faults:
        more = f", and {len(faults) - 1} more" if len(faults) > 1 else ""
        raise LedgerCorrupt(f"the copy is what the ledger says, and its chain does not: {faults[0].subject}{more}")


@contextmanager
def _opened(place: Place) -> Iterator[Engine]:
    with ExitStack() as stack:
        engine = open_engine(place)
        stack.callback(engine.dispose)
        try:
            yield engine
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise translate(error) from error


@contextmanager
def _reading(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as connection:
        yield connection


@contextmanager
def _writing(engine: Engine) -> Iterator[Connection]:
    with engine.execution_options(gateway_write=True).begin() as connection:
        if sqlite_of(connection) is None:
            from gateway.ledger.postgresql.guards import COPYING  # noqa: PLC0415 - only where it is used

            connection.exec_driver_sql(f"SELECT set_config('{COPYING}', 'on', true)")
        yield connection
