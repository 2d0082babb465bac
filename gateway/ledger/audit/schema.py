"""The ledger's schema and its indices: what the migrations make, and nothing else.

An index that leaves out rows, a trigger, or a view in a table's place would let every other check look at something else than
what people read. Nothing is raised for what is found wrong: it is a Fault.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection

from gateway.ledger.audit.chain import Fault
from gateway.ledger.engine import driver_of, open_engine, sqlite_of
from gateway.ledger.migrate import upgrade

_TOLD: Final = 20
"""So many sentences of SQLite's about pages and indices: one lost page can cost thousands."""

_ABOUT: Final = "the ledger"


def check_schema(connection: Connection) -> Iterator[Fault]:
    """Every table, index, trigger and view, by its name and the text that made it."""
    if sqlite_of(connection) is None:
        from gateway.ledger.postgresql import schema  # noqa: PLC0415 - only where it is used

        expected, found = schema.expected(connection, upgrade), schema.objects(connection)
    else:
        expected, found = _expected(), _objects(connection)
    for kind, name in sorted(expected.keys() | found.keys()):
        subject = f"{kind} {name}"
        if (kind, name) not in found:
            yield Fault("schema", subject, "it is not there")
        elif (kind, name) not in expected:
            yield Fault("schema", subject, "this program does not make it: somebody put it there")
        elif found[kind, name] != expected[kind, name]:
            yield Fault("schema", subject, "it is not as this program makes it: somebody changed it")


def check_pages(connection: Connection) -> Iterator[Fault]:
    """Every page, and every index against its table: an index can leave out rows while its text says otherwise."""
    driver = sqlite_of(connection)
    if driver is None:
        from gateway.ledger.postgresql.schema import broken_indices  # noqa: PLC0415 - only where it is used

        yield from (Fault("schema", f"index {name}", said[:200]) for name, said in broken_indices(connection))
        return
    for (said,) in driver.execute(f"PRAGMA integrity_check({_TOLD})"):
        if said != "ok":
            yield Fault("schema", _ABOUT, str(said)[:200])


@cache
def _expected() -> Mapping[tuple[str, str], str]:
    engine = open_engine(Path(":memory:"))
    try:
        with engine.connect() as connection, connection.begin():
            upgrade(connection)
            return _objects(connection)
    finally:
        engine.dispose()


def _objects(connection: Connection) -> Mapping[tuple[str, str], str]:
    """What a database consists of: kind and name, and what made it, whoever wrote it down."""
    rows = driver_of(connection).execute("SELECT type, name, tbl_name, sql FROM sqlite_master")
    return {(str(kind), str(name)): f"{table} {_plain(sql)}" for kind, name, table, sql in rows}


def _plain(sql: Any) -> str:
    """Without line breaks, spaces that mean nothing, and quotes around names: versions of SQLite differ in them."""
    return re.sub(r"\s*([(),=])\s*", r"\1", " ".join(str(sql).replace('"', "").split()))
