"""What is locked away. Reads only."""

from __future__ import annotations

from sqlalchemy import Connection, select

from gateway.ledger.tables import QUARANTINE
from gateway.ledger.units import Quarantined


def quarantined(connection: Connection, *, discarded: bool = False) -> list[Quarantined]:
    """What is locked away, the newest first; with `discarded`, what a person has removed for good too."""
    query = select(QUARANTINE).order_by(QUARANTINE.c.received.desc())
    rows = connection.execute(query if discarded else query.where(QUARANTINE.c.discarded.is_(None)))
    return [Quarantined._make(row) for row in rows]


def is_kept(connection: Connection, identity: str) -> bool:
    """Whether something of that id is locked away, and was not discarded."""
    kept = select(QUARANTINE.c.id).where(QUARANTINE.c.id == identity, QUARANTINE.c.discarded.is_(None))
    return connection.execute(kept).first() is not None
