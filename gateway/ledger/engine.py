"""How the ledger's database is opened, and how its transactions begin: SQLite here, PostgreSQL by `postgresql.engine`.

WAL mode with `synchronous=FULL`: NORMAL may lose the last commits in a power cut. Errors are SQLAlchemy's and the driver's:
`integrity.translate` turns them into the gateway's.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import Engine

from gateway.ledger.capture import Driver, arm
from gateway.ledger.integrity import BUSY_SECONDS, installed
from gateway.ledger.place import Place

SQLITE_VERSION: Final = sqlite3.sqlite_version

Session = Mapping[str, str]
"""Settings of PostgreSQL, by their names."""


def driver_of(connection: Connection) -> Driver:
    """The driver's own connection: for what has to be quick, or what SQLAlchemy cannot say."""
    driver: Driver | None = connection.info.get("driver")
    if driver is None:
        return connection.connection.driver_connection  # type: ignore[return-value]
    if not connection.in_transaction():
        connection.begin()  # what psycopg began by itself would be no view of the ledger's kind
    return driver


def sqlite_of(connection: Connection) -> sqlite3.Connection | None:
    """The driver's own connection where it is SQLite's: for what only SQLite has."""
    return driver_of(connection) if connection.dialect.name == "sqlite" else None  # type: ignore[return-value]


def open_engine(
    place: Place, session: Session | None = None, require: Callable[[Callable[[str], Any]], None] | None = None
) -> Engine:
    """An engine whose plain connections read and whose `gateway_write` ones hold the write lock from their start. `session` are settings of each
    connection to PostgreSQL, and `require` is called with what asks it a question: what it raises comes out of whatever took the connection.

    ConfigurationInvalid where PostgreSQL is asked for and this installation lacks what it takes.
    """
    if isinstance(place, str):
        return _postgresql(place, session, require)
    return _sqlite(place)


def _postgresql(url: str, session: Session | None, require: Callable[[Callable[[str], Any]], None] | None) -> Engine:
    with installed():
        from gateway.ledger.postgresql.engine import open_engine as opened  # noqa: PLC0415 - only where it is used
    return opened(url, session, require)


def _sqlite(path: Path) -> Engine:
    # As many connections as threads ask for one: who waits for a connection with another one, or a lock, in hand may wait for ever.
    # One in memory has a connection of each thread's own.
    many: dict[str, Any] = {} if str(path) == ":memory:" else {"max_overflow": -1}
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_SECONDS}, **many)

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, _record: Any) -> None:
        # The driver's own BEGIN comes too late and is never IMMEDIATE: two writers would deadlock on the upgrade.
        connection.isolation_level = None
        cursor = connection.cursor()
        for pragma in (
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "secure_delete=ON",  # what is overwritten or erased leaves no trace in the file's pages
            f"busy_timeout={BUSY_SECONDS * 1000}",
        ):
            cursor.execute(f"PRAGMA {pragma}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        writing = options.get("gateway_write", False)
        if options.get("gateway_commitments", False) and not connection.info.get("armed", False):
            arm(connection.connection.driver_connection)  # type: ignore[arg-type]
            connection.info["armed"] = True
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine
