"""Empty ledgers and copies of ledgers for tests, on SQLite or on PostgreSQL: one server a process of tests, a database a ledger.

With GATEWAY_TEST_LEDGER=postgresql in the environment every test that works with `two_ledgers` has its ledgers there.
"""

from __future__ import annotations

import atexit
import itertools
import os
import sqlite3
import tempfile
from contextlib import ExitStack, closing
from functools import cache
from pathlib import Path
from typing import Final, Protocol
from urllib.parse import urlsplit

from gateway.ledger.migrate import migrate
from gateway.ledger.place import Place
from tests.fakes.postgresql import server

VARIABLE: Final = "GATEWAY_TEST_LEDGER"


class Ledgers(Protocol):
    """A kind of database that ledgers lie in."""

    def new(self, path: Path) -> Place:
        """A ledger with its tables and nothing in them; of SQLite's, at `path`."""

    def copy(self, place: Place, path: Path) -> Place:
        """A ledger with what another one has."""

    def change(self, place: Place, statement: str, *values: object) -> int:
        """Change a ledger behind the program's back, past every trigger; how many rows that touched."""


class SqliteLedgers:
    """In files."""

    def new(self, path: Path) -> Place:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(0o600)
        path.write_bytes(_empty_file())
        return path

    def copy(self, place: Place, path: Path) -> Place:
        with closing(sqlite3.connect(place)) as source, closing(sqlite3.connect(path)) as copy:
            source.backup(copy)
        return path

    def change(self, place: Place, statement: str, *values: object) -> int:
        with closing(sqlite3.connect(place)) as connection, connection:
            return connection.execute(statement, tuple(values)).rowcount


class PostgresqlLedgers:
    """In databases of one server, at `url` with the rights of its owner."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._numbers = itertools.count(1)
        self._template = self._made("")
        migrate(self._template)

    def new(self, path: Path) -> Place:  # noqa: ARG002 - as SQLite has it
        return self._made(self._template)

    def empty(self) -> str:
        """A database with nothing in it."""
        return self._made("")

    def copy(self, place: Place, path: Path) -> Place:  # noqa: ARG002 - as SQLite has it
        return self._made(str(place))

    def _made(self, template: str) -> str:
        name = f"ledger_{next(self._numbers)}"
        # By files and not by the log: a quarter of the time for a small database.
        like = f" TEMPLATE {urlsplit(template).path[1:]} STRATEGY file_copy" if template else ""
        self.change(self.url, f"CREATE DATABASE {name}{like}")
        return self.url.replace("/postgres?", f"/{name}?")

    def change(self, place: Place, statement: str, *values: object) -> int:
        import psycopg  # noqa: PLC0415 - an extra

        from gateway.ledger.postgresql.driver import said  # noqa: PLC0415 - an extra

        with psycopg.connect(str(place), autocommit=True) as connection:
            connection.execute("SET session_replication_role = replica")
            return connection.execute(said(statement), values).rowcount


@cache
def _empty_file() -> bytes:
    """A ledger with its tables and nothing in them, as a file."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "ledger.sqlite3"
        migrate(path)
        assert [each.name for each in Path(directory).iterdir()] == [path.name], "nothing of it is beside it"
        return path.read_bytes()


@cache
def on_postgresql() -> PostgresqlLedgers:
    """Ledgers on this process's own server, which ends with it; skips the test where there is none."""
    stack = ExitStack()
    url = stack.enter_context(server())
    atexit.register(stack.close)
    return PostgresqlLedgers(url)


def kind(name: str) -> Ledgers:
    """By its name, "sqlite" or "postgresql"."""
    return on_postgresql() if name == "postgresql" else SqliteLedgers()


def usual() -> Ledgers:
    """What the environment asks for; SQLite."""
    return kind(os.environ.get(VARIABLE, "sqlite"))
