"""Asking PostgreSQL a question or two without the library that writes. Raises what `errors.translate` gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy.exc import DBAPIError

from gateway.ledger.postgresql.connecting import settings_of
from gateway.ledger.postgresql.driver import Driver
from gateway.ledger.postgresql.errors import translate


@contextmanager
def asked(url: str) -> Iterator[Callable[[str], Any]]:
    """What gives the first value of the answer to a question, None where there is none."""
    try:
        with psycopg.connect(url, autocommit=True, **settings_of(url)) as connection:

            def ask(query: Any) -> Any:
                row = connection.execute(query).fetchone()
                return row[0] if row else None

            yield ask
    except psycopg.Error as error:
        raise translate(error) from error


@contextmanager
def driver_at(url: str) -> Iterator[Driver]:
    """What takes the ledger's statements."""
    try:
        with psycopg.connect(url, autocommit=True, **settings_of(url)) as connection:
            yield Driver(connection)
    except DBAPIError as error:
        raise translate(error.orig) from error
    except psycopg.Error as error:
        raise translate(error) from error
