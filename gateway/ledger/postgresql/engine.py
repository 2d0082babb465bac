"""How PostgreSQL is opened for the ledger, and how its transactions begin.

Whoever reads has one consistent view (REPEATABLE READ, read only). Whoever writes first locks the row of the chain's head, and
holds it to its end: so writers queue as they do in SQLite, and each sees all that was committed before (READ COMMITTED
takes a new view with each statement). Errors are SQLAlchemy's and the driver's: `errors.translate` turns them into the gateway's.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

import psycopg
from psycopg import IsolationLevel
from sqlalchemy import Connection, create_engine, event
from sqlalchemy.engine import Engine, make_url
from sqlalchemy.exc import DisconnectionError

from gateway.ledger.postgresql import dialect
from gateway.ledger.postgresql.connecting import settings_of
from gateway.ledger.postgresql.driver import Driver
from gateway.ledger.postgresql.going_on import LOCKED, HeadRow
from gateway.ledger.postgresql.guards import TOUCHED

_IDLE_SECONDS: Final = 5.0

Ask = Callable[[str], Any]


def open_engine(
    url: str, session: Mapping[str, str] | None = None, require: Callable[[Ask], None] | None = None
) -> Engine:
    """As `ledger.engine.open_engine`. `gateway_head=False` is for whoever makes the tables, before there is a head to lock."""
    address = make_url(url).set(drivername=dialect.NAME)
    # As many connections as threads ask for one, as with SQLite; the console has 40 threads at most.
    engine = create_engine(address, connect_args=settings_of(url), hide_parameters=True, max_overflow=-1)

    @event.listens_for(engine, "connect")
    def _connect(connection: Any, record: Any) -> None:
        dialect.adapt(connection)
        for name, value in (session or {}).items():
            connection.execute("SELECT set_config(%s, %s, false)", (name, value))
        if require is not None:
            try:
                require(lambda query: next(iter(connection.execute(query).fetchone() or ()), None))
            except BaseException:
                connection.close()
                raise
        connection.commit()  # else a rollback of the first transaction would take it back
        record.info["driver"] = Driver(connection)

    @event.listens_for(engine, "checkin")
    def _checkin(_connection: Any, record: Any) -> None:
        record.info["idle_since"] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def _checkout(connection: Any, record: Any, _proxy: Any) -> None:
        """A connection that the server has closed meanwhile is replaced before it is used."""
        if time.monotonic() - record.info.get("idle_since", math.inf) > _IDLE_SECONDS:
            try:
                engine.dialect.do_ping(connection)
            except psycopg.Error as error:
                raise DisconnectionError("the server is not there any more") from error

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        writing = options.get("gateway_write", False)
        plain: Any = connection.connection.driver_connection
        plain.isolation_level = IsolationLevel.READ_COMMITTED if writing else IsolationLevel.REPEATABLE_READ
        plain.read_only = not writing
        if not writing:
            return
        if not connection.info.get("touched"):  # who only reads needs no room, and no right, for it
            connection.exec_driver_sql(TOUCHED)
        if options.get("gateway_head", True):
            connection.info["head"] = HeadRow._make(connection.exec_driver_sql(LOCKED).one())

    @event.listens_for(engine, "commit")
    def _commit(connection: Connection) -> None:
        """From here on the connection has the table: what is taken back takes it along."""
        if connection.get_execution_options().get("gateway_write", False):
            connection.info["touched"] = True

    return engine
