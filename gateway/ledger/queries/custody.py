"""Transfers whose bytes, in custody or in the spool, are still to be cleared away. Reads only."""

from __future__ import annotations

from sqlalchemy import Connection, or_, select

from gateway.domain.states import Direction, State
from gateway.ledger.tables import TRANSFERS
from gateway.ledger.units import Transfer


def finished_but_kept(connection: Connection, limit: int) -> list[Transfer]:
    """Outbound transfers that have come to their end, and whose bytes still lie in custody."""
    ends = [State.RECEIPTED, State.INGESTED, State.REJECTED, State.QUARANTINED, State.EXPIRED]
    query = select(TRANSFERS).where(
        TRANSFERS.c.custody.is_(True),
        TRANSFERS.c.state.in_(map(str, ends)),
        TRANSFERS.c.direction == str(Direction.OUT),
        TRANSFERS.c.spool_file.is_(None),
    )
    return [Transfer._make(row) for row in connection.execute(query.order_by(TRANSFERS.c.key).limit(limit))]


def ids_in_custody(connection: Connection) -> set[str]:
    """The outbound transfers whose bytes lie in custody."""
    query = select(TRANSFERS.c.id).where(TRANSFERS.c.custody.is_(True), TRANSFERS.c.direction == str(Direction.OUT))
    return set(connection.execute(query).scalars())


def not_set_aside(connection: Connection) -> list[Transfer]:
    """Admitted transfers whose dropped file may still lie in spool/outbound."""
    query = select(TRANSFERS).where(TRANSFERS.c.spool_file.is_not(None)).order_by(TRANSFERS.c.key)
    return [Transfer._make(row) for row in connection.execute(query)]


def to_purge(connection: Connection) -> list[Transfer]:
    """Redirected transfers whose delivered file may still lie in spool/inbound."""
    query = select(TRANSFERS).where(TRANSFERS.c.purge_name.is_not(None)).order_by(TRANSFERS.c.key)
    return [Transfer._make(row) for row in connection.execute(query)]


def dropped_since(connection: Connection, moment: float) -> list[tuple[str, str, str, str]]:
    """Flow, partner, name and SHA-256 of the files that were admitted since, or that may lie in spool/outbound yet."""
    query = select(TRANSFERS.c.flow, TRANSFERS.c.partner, TRANSFERS.c.name, TRANSFERS.c.sha256).where(
        TRANSFERS.c.direction == str(Direction.OUT),
        or_(TRANSFERS.c.created >= moment, TRANSFERS.c.spool_file.is_not(None)),
    )
    return [(row[0], row[1], row[2], row[3]) for row in connection.execute(query)]
