"""What is locked away. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, or_, select

from gateway.errors import NotFound
from gateway.ledger.tables import FILE, QUARANTINE, TRANSFERS
from gateway.ledger.units import Quarantined, Transfer
from gateway.settings.home import Home

_LIST: Final = 500
"""Values in one list of a query: SQLite bounds them."""


def quarantined(connection: Connection, *, discarded: bool = False) -> list[Quarantined]:
    """What is locked away, the newest first; with `discarded`, what a person has removed for good too."""
    query = select(QUARANTINE).order_by(QUARANTINE.c.received.desc())
    rows = connection.execute(query if discarded else query.where(QUARANTINE.c.discarded.is_(None)))
    return [Quarantined._make(row) for row in rows]


def find_quarantined(connection: Connection, identity: str) -> Quarantined:
    """The one quarantined file whose id, or whose consignment's id, starts with `identity`; discarded ones count too.

    Raises NotFound where none has, or more than one.
    """
    rows = quarantined(connection, discarded=True)
    found = [row for row in rows if identity and row.id.startswith(identity)]
    found = found or [row for row in rows if identity and row.consignment.startswith(identity)]
    if len(found) != 1:
        many = "no quarantined file has" if not found else f"{len(found)} quarantined files have"
        raise NotFound(f"{many} an id that starts with {identity[:40]!r}")
    return found[0]


def transfer_of(connection: Connection, row: Quarantined) -> Transfer:
    """The transfer whose file was locked away for its content; NotFound where its row is gone."""
    table = TRANSFERS
    named = or_(table.c.id == row.consignment, table.c.consignment == row.consignment)
    query = select(table).where(table.c.sha256 == row.sha256, table.c.partner == row.partner, named)
    found = connection.execute(query.limit(1)).first()
    if found is None:
        raise NotFound(f"the transfer of {row.id} is not known any more")
    return Transfer._make(found)


def kept_file(home: Home, row: Quarantined) -> Path:
    """Where a quarantined file lies: sealed, or where its own content was the reason, in the vault."""
    return home.infected / row.id if row.kind == FILE else home.quarantine / f"{row.id}.sealed"


def by_ids(connection: Connection, ids: Sequence[str]) -> list[Quarantined]:
    """What is, or was, locked away under these ids."""
    found: list[Quarantined] = []
    for start in range(0, len(ids), _LIST):
        query = select(QUARANTINE).where(QUARANTINE.c.id.in_(ids[start : start + _LIST]))
        found += map(Quarantined._make, connection.execute(query))
    return found


def is_known(connection: Connection, identity: str) -> bool:
    """Whether something of that id is, or was, locked away."""
    return connection.execute(select(QUARANTINE.c.id).where(QUARANTINE.c.id == identity)).first() is not None


def is_kept(connection: Connection, identity: str) -> bool:
    """Whether something of that id is locked away, and was not discarded."""
    kept = select(QUARANTINE.c.id).where(QUARANTINE.c.id == identity, QUARANTINE.c.discarded.is_(None))
    return connection.execute(kept).first() is not None
