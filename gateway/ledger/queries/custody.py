"""Transfers whose bytes, in custody or in the spool, are still to be cleared away. Reads only."""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, literal, or_, select

from gateway.domain.states import Direction, State
from gateway.ledger.tables import TRANSFERS
from gateway.ledger.units import Transfer


def finished_but_kept(connection: Connection, limit: int, but: Collection[str] = ()) -> list[Transfer]:
    """Outbound transfers that have come to their end, and whose bytes still lie in custody; none of the partners `but`."""
    query = _finished_but_kept().where(TRANSFERS.c.partner.not_in(but)) if but else _finished_but_kept()
    return [Transfer._make(row) for row in connection.execute(query, {"limit": limit})]


@cache  # each step of *conclude* asks
def _finished_but_kept() -> Select[Any]:
    ends = [State.RECEIPTED, State.INGESTED, State.REJECTED, State.QUARANTINED, State.EXPIRED]
    query = select(TRANSFERS).where(
        TRANSFERS.c.custody.is_(True),
        or_(
            TRANSFERS.c.state.in_([literal(str(state)) for state in ends]),
            and_(TRANSFERS.c.state == literal(str(State.SENT)), TRANSFERS.c.expires.is_(None)),  # `is_unconfirmed`
        ),
        TRANSFERS.c.direction == str(Direction.OUT),
        TRANSFERS.c.spool_file.is_(None),
    )
    return query.order_by(TRANSFERS.c.key).limit(bindparam("limit"))


def ids_in_custody(connection: Connection) -> set[str]:
    """The outbound transfers whose bytes lie in custody."""
    query = select(TRANSFERS.c.id).where(TRANSFERS.c.custody.is_(True), TRANSFERS.c.direction == str(Direction.OUT))
    return set(connection.execute(query).scalars())


def not_set_aside(connection: Connection, node: str | None) -> list[Transfer]:
    """Admitted transfers whose dropped file may still lie in spool/outbound: that of `node`, None where the gateway works alone."""
    query = select(TRANSFERS).where(TRANSFERS.c.spool_file.is_not(None)).order_by(TRANSFERS.c.key)
    if node is not None:
        query = query.where(or_(TRANSFERS.c.node == node, TRANSFERS.c.node.is_(None)))
    return [Transfer._make(row) for row in connection.execute(query)]


def to_purge(connection: Connection) -> list[Transfer]:
    """Redirected transfers whose delivered file may still lie in spool/inbound."""
    query = select(TRANSFERS).where(TRANSFERS.c.purge_name.is_not(None)).order_by(TRANSFERS.c.key)
    return [Transfer._make(row) for row in connection.execute(query)]
