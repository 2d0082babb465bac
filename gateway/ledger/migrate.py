"""Making a ledger, and bringing an old one up to date, by Alembic's migrations.

A ledger from before the chain committed to its rows adopts them: the chain commits to what they say on that day, and says so.

Kept apart from the store because Alembic is slow to import and the roles never need it.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.util import CommandError
from sqlalchemy import Connection, func, select
from sqlalchemy.exc import SQLAlchemyError

from gateway.errors import LedgerSchema
from gateway.ledger import nodes
from gateway.ledger.capture import stored_rows
from gateway.ledger.commitment import ADOPTED, KEY, KIND, SUBJECT, digest_of
from gateway.ledger.engine import driver_of, open_engine, sqlite_of
from gateway.ledger.integrity import LEAST_PROGRAM, SCHEMA_VERSION, translate
from gateway.ledger.place import Place
from gateway.ledger.store import Transaction
from gateway.ledger.tables import METADATA

_COMMITMENTS: Final = "0004"
"""The version from which on the chain commits to the rows."""

_ONE_AT_A_TIME: Final = "SELECT pg_advisory_xact_lock(hashtext('gateway ledger'))"
"""Before there is a head whose row could be locked."""

_NO_WRITER: Final = """
SET LOCAL lock_timeout = '10s';
DO $$ BEGIN IF to_regclass('chain_head') IS NOT NULL THEN PERFORM 1 FROM chain_head FOR UPDATE; END IF; END $$;
"""
"""Nodes may go on meanwhile: no writer is within its transaction from here on, and one who reads for long is not waited for, since all
others would wait behind this.
"""

_LIVING: Final = (
    "SELECT name, version FROM nodes WHERE seen + lease > extract(epoch FROM clock_timestamp()) ORDER BY name"
)

_CHUNK: Final = 5000
"""Rows that one event commits to."""


def migrate(place: Place, *, clock: Callable[[], float] = time.time) -> int | None:
    """Create the ledger at `place`, or bring it to the newest version, in one transaction. The mode of SQLite's file is 0600.

    Returns how many rows the chain adopted, None where it did not have to. LedgerSchema for a version that this program does not know, or that
    a node at work cannot work with, and what `translate` gives; then nothing is changed.
    """
    if isinstance(place, Path):
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.close(os.open(place, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    engine = open_engine(place)
    try:
        with (
            engine.connect().execution_options(gateway_write=True, gateway_head=False) as connection,
            connection.begin(),
        ):
            if sqlite_of(connection) is None:
                connection.exec_driver_sql(_ONE_AT_A_TIME)
                connection.exec_driver_sql(_NO_WRITER)
            before = MigrationContext.configure(connection).get_current_revision()
            if sqlite_of(connection) is None and before is not None and before < SCHEMA_VERSION:
                _require_able(connection)
            upgrade(connection)
            return None if before is None or before >= _COMMITMENTS else _adopt(connection, clock())
    except CommandError as error:
        raise LedgerSchema("the ledger is of a version that this program does not know") from error
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise translate(error) from error
    finally:
        engine.dispose()


def _require_able(connection: Connection) -> None:
    """LedgerSchema where a node is at work whose program cannot work with the ledger as it is to be."""
    if connection.exec_driver_sql("SELECT to_regclass('nodes')").scalar() is None:
        return
    for name, version in connection.exec_driver_sql(_LIVING):
        if nodes.schema_of(version) < LEAST_PROGRAM:
            raise LedgerSchema(
                f"node {name} is at work with {version}, and programs older than {LEAST_PROGRAM} cannot work with a ledger of version "
                f"{SCHEMA_VERSION}: upgrade it to a release between, or stop it"
            )


def upgrade(connection: Connection) -> None:
    """Run the migrations that a database lacks. Raises what Alembic and SQLAlchemy raise."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    config.attributes["connection"] = connection
    if sqlite_of(connection) is not None:
        command.upgrade(config, "head")
        return
    from gateway.ledger.postgresql import guards  # noqa: PLC0415 - only where it is used

    guards.unmake(connection)
    command.upgrade(config, "head")
    guards.make(connection)


def _adopt(connection: Connection, now: float) -> int:
    """Let the chain commit to every row that there is; how many there are."""
    transaction = Transaction(connection, now, "command", os.urandom)
    driver = driver_of(connection)
    count = sum(connection.scalar(select(func.count()).select_from(METADATA.tables[table])) or 0 for table in KEY)
    transaction.record(ADOPTED, KIND, SUBJECT, count=count)
    for table in KEY:
        rows = stored_rows(driver, table)
        while chunk := {str(key): digest_of(table, values) for key, values in islice(rows, _CHUNK)}:
            transaction.commit_to({table: chunk})
            transaction.flush()
    return count
