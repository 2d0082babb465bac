"""The ledger's own SQL, said to PostgreSQL: what of sqlite3.Connection the ledger uses, over psycopg.

The few statements that go past SQLAlchemy are written once, as SQLite has them. `said` turns them into PostgreSQL's, by
rules that a test holds against all of them. Errors come out as SQLAlchemy's DBAPIError, without the parameters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Final

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy.exc import DBAPIError

Values = Sequence[Any] | Mapping[str, Any]

_FETCHED: Final = 2000
_TABLE_ITSELF: Final = " NOT INDEXED"
_BY_INDEX: Final = ("enable_indexscan", "enable_indexonlyscan", "enable_bitmapscan")
_RULES: Final = (
    (re.compile("%"), "%%"),
    (re.compile(_TABLE_ITSELF), ""),
    (
        re.compile(r"SELECT value FROM json_each\((\?|:\w+)\)"),
        r"SELECT value::bigint FROM json_array_elements_text(\1::json)",
    ),
    (re.compile(r"unixepoch\((\(SELECT .*?\))\)"), r"extract(epoch FROM \1::timestamptz)::bigint"),
    (re.compile(r"\binstr\("), "strpos("),
    (re.compile(r"\?"), "%s"),
    (re.compile(r"(?<!:):(\w+)"), r"%(\1)s"),
)


@lru_cache(256)
def said(query: str) -> str:
    """A statement of the ledger's as PostgreSQL and psycopg have it; one that SQLAlchemy wrote for psycopg stays as it is."""
    if "%(" in query or "%s" in query:
        return query
    for rule, instead in _RULES:
        query = rule.sub(instead, query)
    return query


class Driver:
    """A connection of psycopg that takes the ledger's statements."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    @property
    def in_transaction(self) -> bool:
        """Whether what was written so far can be committed: not after an error."""
        return self._connection.info.transaction_status == TransactionStatus.INTRANS

    def execute(self, query: str, values: Values = ()) -> Any:
        with _named(query):
            return self._connection.execute(said(query), values)

    def executemany(self, query: str, rows: Sequence[Values]) -> psycopg.Cursor[Any]:
        cursor = self._connection.cursor()
        if rows:
            with _named(query):
                cursor.executemany(said(query), rows)
        return cursor

    def stream(self, query: str, values: Values = ()) -> Iterator[Any]:
        """Rows as the server gives them; without an index where the statement says so."""
        with _named(query), self._connection.cursor(f"stream_{id(query)}_{id(values)}") as cursor:
            cursor.itersize = _FETCHED
            past = _TABLE_ITSELF in query
            if past:
                self._allow_indices("off")
            cursor.execute(said(query), values)
            if past:
                self._allow_indices("on")
            yield from cursor

    def _allow_indices(self, allowed: str) -> None:
        self._connection.execute("; ".join(f"SET LOCAL {name} = {allowed}" for name in _BY_INDEX))


@contextmanager
def _named(query: str) -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise DBAPIError(query, None, error, hide_parameters=True) from error
