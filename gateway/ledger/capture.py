"""Which rows a transaction changes, whoever changes them and however: the database notes them by itself.

The commitments of `ledger.commitment`: triggers note the key of every row whose proven columns a statement writes, in a table of
the writing connection that a rollback takes back too. SQLite's are the connection's own and lie in memory; PostgreSQL's belong to
the tables (`postgresql.guards`). Errors are the driver's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from gateway.ledger.commitment import COLUMNS, KEY, digest_of

if TYPE_CHECKING:
    from gateway.ledger.postgresql.driver import Driver as PostgresqlDriver
else:
    PostgresqlDriver = object

Driver = sqlite3.Connection | PostgresqlDriver
"""The driver's own connection, for what goes past SQLAlchemy: both take the same statements."""

Commitments = Mapping[str, Mapping[str, str | None]]
"""Digests of rows by their keys, as text, by their tables; None for a row that is gone."""


def _script() -> str:
    """The table of keys, and the triggers that fill it. It has no rule that a statement could break: SQLite would keep a
    journal of each statement that sets off a trigger which may fail, and the statement's own ON CONFLICT goes for its triggers too.
    """
    made = [
        "PRAGMA temp_store=MEMORY;",
        'CREATE TEMP TABLE touched ("table" TEXT, "key");',
    ]
    for table, key in KEY.items():
        columns = ", ".join(f'"{name}"' for name in COLUMNS[table])
        for action, row in (("INSERT", "new"), (f"UPDATE OF {columns}", "old"), ("DELETE", "old")):
            made.append(
                f'CREATE TEMP TRIGGER "{table}_{action.split()[0]}" AFTER {action} ON main."{table}" BEGIN'  # noqa: S608 - names
                f" INSERT INTO touched VALUES ('{table}', {row}.\"{key}\"); END;"
            )
    return "\n".join(made)


class _Touched(NamedTuple):
    """The questions for the tables that were touched, in the order in which they were first, and for the rows of each."""

    tables: str
    rows: Mapping[str, str]


def _query(table: str, key: str = '"key"') -> str:
    """The keys of a table's rows that were touched, and the columns that are committed to; nulls of a row that is gone."""
    columns = ", ".join(f'"{table}"."{name}"' for name in COLUMNS[table])
    keys = f'SELECT DISTINCT {key} AS "key" FROM touched WHERE "table" = \'{table}\' ORDER BY "key"'  # noqa: S608 - names of columns
    return (
        f'SELECT noted."key", {columns} FROM ({keys}) AS noted'  # noqa: S608 - names of columns
        f' LEFT JOIN "{table}" ON "{table}"."{KEY[table]}" = noted."key"'
    )


_SCRIPT: Final = _script()
_SQLITE: Final = _Touched('SELECT DISTINCT "table" FROM touched', {table: _query(table) for table in KEY})
_POSTGRESQL: Final = _Touched(
    'SELECT "table" FROM touched GROUP BY "table" ORDER BY min(ctid)',
    {
        table: _query(table, '"key"::bigint' if key in ("key", "sequence") else '"key" COLLATE "C"')
        + ' ORDER BY noted."key"'
        for table, key in KEY.items()
    },
)


def arm(connection: sqlite3.Connection) -> None:
    """Let a connection note what its transactions touch; before its first one."""
    connection.executescript(_SCRIPT)


def commitments(connection: Driver) -> Commitments:
    """Digests of the rows that the transaction has touched, which are forgotten then."""
    touched = _SQLITE if isinstance(connection, sqlite3.Connection) else _POSTGRESQL
    tables = [table for (table,) in connection.execute(touched.tables)]
    if not tables:
        return {}
    found = {
        table: {
            str(row[0]): None if row[1] is None else digest_of(table, row[1:])
            for row in connection.execute(touched.rows[table])
        }
        for table in tables
    }
    connection.execute("DELETE FROM touched")
    return found


def stream(connection: Driver, query: str, values: Sequence[Any] = ()) -> Iterable[Sequence[Any]]:
    """The rows of a question as the database has them, however many there are."""
    if isinstance(connection, sqlite3.Connection):
        return connection.execute(query, values)
    return connection.stream(query, values)


def stored_rows(
    connection: Driver, table: str, keys: Sequence[int | str] | None = None
) -> Iterator[tuple[int | str, Sequence[Any]]]:
    """Rows of a proven table, all of them or those of some keys: the key, and the values in the order of COLUMNS. Streamed, and
    from the table itself: an index may leave out some.
    """
    key = KEY[table]
    columns = ", ".join(f'"{name}"' for name in (key, *COLUMNS[table]))
    query = f'SELECT {columns} FROM "{table}" NOT INDEXED'  # noqa: S608 - names of columns
    found: Iterable[Sequence[Any]]
    if keys is None:
        found = stream(connection, f'{query} ORDER BY "{key}"')
    else:
        found = (row for each in keys for row in connection.execute(f'{query} WHERE "{key}" = ?', (each,)))
    for name, *values in found:
        yield name, values
