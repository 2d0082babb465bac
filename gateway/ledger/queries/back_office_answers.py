"""Answers of back offices: what may be answered here, and whose operator has yet to be told. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, Integer, Select, bindparam, select, type_coerce

from gateway.domain.states import Direction, State
from gateway.ledger.tables import TRANSFERS
from gateway.ledger.units import Transfer

_LIST: Final = 400
"""Values in one list at most: SQLite bounds them."""


def answerable(
    connection: Connection, flow: str, partner: str, names: Sequence[str], ids: Sequence[str]
) -> list[Transfer]:
    """The transfers of a flow and partner that were, or are being, delivered under these names, or have these ids."""
    possible = [str(state) for state in (State.OPENED, State.DELIVERED, State.INGESTED)]
    found: dict[int, Transfer] = {}
    for column, values in ((TRANSFERS.c.delivered_name, names), (TRANSFERS.c.id, ids)):
        for start in range(0, len(values), _LIST):
            query = select(TRANSFERS).where(
                TRANSFERS.c.direction == str(Direction.IN),
                TRANSFERS.c.partner == partner,
                TRANSFERS.c.flow == flow,
                TRANSFERS.c.state.in_(possible),
                column.in_(values[start : start + _LIST]),
            )
            found |= {row.key: row for row in map(Transfer._make, connection.execute(query))}
    return [found[key] for key in sorted(found)]


def to_notify(connection: Connection, limit: int, but: Collection[str] = ()) -> list[Transfer]:
    """Submitted transfers with an answer that their operators have not been told; none of the partners `but`."""
    query = _to_notify().where(TRANSFERS.c.partner.not_in(but)) if but else _to_notify()
    return [Transfer._make(row) for row in connection.execute(query, {"limit": limit})]


@cache  # each step of *conclude* asks
def _to_notify() -> Select[Any]:
    # The sum keeps SQLite from taking the index of what is in custody: nearly everything is not.
    settled = type_coerce(TRANSFERS.c.custody, Integer) + 0 == 0
    query = select(TRANSFERS).where(TRANSFERS.c.notify_pending.is_(True), settled)
    return query.order_by(TRANSFERS.c.key).limit(bindparam("limit"))
