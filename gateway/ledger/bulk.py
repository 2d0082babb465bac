"""Writing rows by the hundred: SQLAlchemy writes a statement's text once, and the driver takes the rows.

Between the two, SQLAlchemy takes 4 to 8 µs for each row, as much as SQLite itself. A statement that breaks a rule of the
table takes its whole transaction back (OR ROLLBACK), as whoever writes to the ledger does anyhow: else SQLite keeps a
journal of each statement that sets off a trigger (`ledger.capture`), 3 µs a row. Errors are the driver's. Behind such an error
nothing more can be written over that connection: SQLite would commit each statement by itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from operator import itemgetter
from typing import Any, Final

from sqlalchemy import Connection, Insert, Table, Update, bindparam, insert, literal_column, update
from sqlalchemy.engine import Dialect

from gateway.ledger.chain import ChainEntry
from gateway.ledger.engine import driver_of
from gateway.ledger.tables import EVENTS

Row = Mapping[str, Any]
_KEY: Final = "the_key"
_STATE: Final = "the_state"
_ROLLBACK: Final = "OR ROLLBACK"

_ENTRIES: Final = (
    f"INSERT INTO events ({', '.join(ChainEntry._fields)}) SELECT * FROM"  # noqa: S608 - names of columns
    f" unnest(%s::bigint[]{', %s::text[]' * (len(ChainEntry._fields) - 1)})"
)

_Statement = tuple[str, Callable[[Row], tuple[Any, ...] | Row]]


def insert_rows(connection: Connection, table: Table, rows: Sequence[Row]) -> None:
    """New rows, all of them with the columns of the first one; the columns' defaults apply."""
    text, values = _inserting(connection.dialect, table, _columns(rows))
    defaults = _defaults(table)
    _write(connection, text, [values({**defaults, **row}) for row in rows])


def insert_entries(connection: Connection, entries: Sequence[ChainEntry]) -> None:
    """New events; an entry has the columns of their table, in its order."""
    driver = driver_of(connection)
    if not isinstance(driver, sqlite3.Connection):
        # In one statement, for the trigger that looks whether the chain goes on looks once a statement.
        driver.execute(_ENTRIES, [*map(list, zip(*entries, strict=True))])
        return
    text, _ = _inserting(connection.dialect, EVENTS, ChainEntry._fields)
    _write(connection, text, entries)


def update_rows(
    connection: Connection, table: Table, keys: Sequence[int], rows: Sequence[Row], state: str | None = None
) -> int:
    """Write `rows[i]` over the columns of the row with `keys[i]`, all of them the same columns, where its state is `state`;
    how many there were.
    """
    text, values = _updating(connection.dialect, table, _columns(rows), of_state=state is not None)
    given = [values({**row, _KEY: key, _STATE: state}) for key, row in zip(keys, rows, strict=True)]
    return _write(connection, text, given)


def count_attempt(connection: Connection, table: Table, keys: Sequence[int]) -> None:
    """One claim more for each row."""
    text, values = _counting(connection.dialect, table)
    _write(connection, text, [values({_KEY: key}) for key in keys])


def _write(connection: Connection, text: str, rows: Sequence[Sequence[Any] | Row]) -> int:
    driver = driver_of(connection)
    try:
        return driver.executemany(text, rows).rowcount
    except sqlite3.Error as error:
        if not driver.in_transaction:
            connection.invalidate(error)
        raise


def _columns(rows: Sequence[Row]) -> tuple[str, ...]:
    """The columns of all rows; ValueError where one has more than the first. One that lacks any is a KeyError, later."""
    if any(len(row) > len(rows[0]) for row in rows):
        raise ValueError("rows of one statement have different columns")
    return tuple(rows[0])


@cache
def _defaults(table: Table) -> Row:
    return {column.name: column.default.arg for column in table.columns if column.default is not None}  # type: ignore[attr-defined]


@cache
def _inserting(dialect: Dialect, table: Table, columns: tuple[str, ...]) -> _Statement:
    names = dict.fromkeys((*columns, *_defaults(table)))
    return _compiled(dialect, insert(table).values({name: bindparam(name) for name in names}))


@cache
def _updating(dialect: Dialect, table: Table, columns: tuple[str, ...], *, of_state: bool) -> _Statement:
    where = [table.c.key == bindparam(_KEY), *([table.c.state == bindparam(_STATE)] if of_state else [])]
    return _compiled(dialect, update(table).where(*where).values({name: bindparam(name) for name in columns}))


@cache
def _counting(dialect: Dialect, table: Table) -> _Statement:
    claims = table.c.claims + literal_column("1")
    return _compiled(dialect, update(table).where(table.c.key == bindparam(_KEY)).values(claims=claims))


def _compiled(dialect: Dialect, statement: Insert | Update) -> _Statement:
    compiled = statement.prefix_with(_ROLLBACK, dialect="sqlite").compile(dialect=dialect)
    if compiled.positiontup is None:  # psycopg takes a row by its names
        return str(compiled), dict
    names = compiled.positiontup
    return str(compiled), itemgetter(*names) if len(names) > 1 else lambda row: (row[names[0]],)
