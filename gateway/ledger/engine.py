"""How SQLite is opened for the ledger, and how its transactions begin.

WAL mode with `synchronous=FULL`: NORMAL may lose the last commits in a power cut. Errors are SQLAlchemy's and the driver's:
`integrity.translate` turns them into the gateway's.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import Engine

from gateway.ledger.capture import arm
from gateway.ledger.integrity import BUSY_SECONDS

SQLITE_VERSION: Final = sqlite3.sqlite_version


def driver_of(connection: Connection) -> sqlite3.Connection:
    """The driver's own connection: for what has to be quick, or is SQLite's alone."""
    driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
    return driver


def open_engine(path: Path) -> Engine:
    """An engine whose plain connections read and whose `gateway_write` ones hold the write lock from their start."""
    # As many connections as threads ask for one: who waits for a connection with another one, or a lock, in hand may wait for ever.
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": BUSY_SECONDS}, max_overflow=-1)

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
            arm(driver_of(connection))
            connection.info["armed"] = True
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writing else "BEGIN")

    return engine
