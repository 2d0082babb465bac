"""Which rows a transaction changes, whoever changes them and however: the database notes them by itself.

SQLite's own piece of the commitments (`ledger.commitment`): triggers of the writing connection note the key of every row whose
proven columns a statement writes, in a table in memory that a rollback takes back too. Another database needs another
module of these two functions. Errors are the driver's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from gateway.ledger.commitment import COLUMNS, KEY, digest_of

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


def _query(table: str) -> str:
    """The keys of a table's rows that were touched, and the columns that are committed to; nulls of a row that is gone."""
    columns = ", ".join(f'"{table}"."{name}"' for name in COLUMNS[table])
    keys = f'SELECT DISTINCT "key" FROM touched WHERE "table" = \'{table}\' ORDER BY "key"'  # noqa: S608 - names of columns
    return (
        f'SELECT noted."key", {columns} FROM ({keys}) AS noted'  # noqa: S608 - names of columns
        f' LEFT JOIN "{table}" ON "{table}"."{KEY[table]}" = noted."key"'
    )


_SCRIPT: Final = _script()
_QUERIES: Final = {table: _query(table) for table in KEY}


def arm(connection: sqlite3.Connection) -> None:
    """Let a connection note what its transactions touch; before its first one."""
    connection.executescript(_SCRIPT)


def commitments(connection: sqlite3.Connection) -> Commitments:
    """Digests of the rows that the transaction has touched, which are forgotten then."""
    tables = [table for (table,) in connection.execute('SELECT DISTINCT "table" FROM touched')]
    if not tables:
        return {}
    found = {
        table: {
            str(row[0]): None if row[1] is None else digest_of(table, row[1:])
            for row in connection.execute(_QUERIES[table])
        }
        for table in tables
    }
    connection.execute("DELETE FROM touched")
    return found


def stored_rows(
    connection: sqlite3.Connection, table: str, keys: Sequence[int | str] | None = None
) -> Iterator[tuple[int | str, Sequence[Any]]]:
    """Rows of a proven table, all of them or those of some keys: the key, and the values in the order of COLUMNS. Streamed, and
    from the table itself: an index may leave out some.
    """
    key = KEY[table]
    columns = ", ".join(f'"{name}"' for name in (key, *COLUMNS[table]))
    query = f'SELECT {columns} FROM "{table}" NOT INDEXED'  # noqa: S608 - names of columns
    found: Iterable[Sequence[Any]]
    if keys is None:
        found = connection.execute(f'{query} ORDER BY "{key}"')
    else:
        found = (row for each in keys for row in connection.execute(f'{query} WHERE "{key}" = ?', (each,)))
    for name, *values in found:
        yield name, values
