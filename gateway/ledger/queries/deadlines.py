"""When things are due, and what is past its time. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any

from sqlalchemy import BindParameter, Connection, Select, Table, bindparam, func, select

from gateway.domain.states import Direction, State
from gateway.ledger.tables import CONSIGNMENTS
from gateway.ledger.units import TABLE_OF, Consignment, Identified, Unit


def next_due(
    connection: Connection, unit: type[Unit], direction: Direction, states: Sequence[State], but: Iterable[str] = ()
) -> float | None:
    """When the first deferred unit in one of these states may be tried again; what belongs to the partners `but` waits."""
    table = TABLE_OF[unit]
    query = _first_due(table, len(states))
    if codes := tuple(but):  # else the index alone has the answer
        query = query.where(table.c.partner.not_in(codes))
    where = {f"state_{number}": str(state) for number, state in enumerate(states)}
    return connection.execute(query, where | {"direction": str(direction)}).scalar()


@cache  # each step of each stage asks; a list of states that SQLAlchemy writes out each time takes longer than the answer
def _first_due(table: Table, count: int) -> Select[Any]:
    states: list[BindParameter[str]] = [bindparam(f"state_{number}") for number in range(count)]
    return select(func.min(table.c.due)).where(table.c.state.in_(states), table.c.direction == bindparam("direction"))


def next_deferred(connection: Connection, unit: type[Unit], state: State, now: float) -> float | None:
    """When the first outbound unit that waits in a state for a later time is due."""
    table = TABLE_OF[unit]
    where = {"state_0": str(state), "direction": str(Direction.OUT), "now": now}
    return connection.execute(_first_deferred(table), where).scalar()


@cache
def _first_deferred(table: Table) -> Select[Any]:
    return _first_due(table, 1).where(table.c.due > bindparam("now"))


def due_after(connection: Connection, unit: type[Unit], states: Sequence[State], moment: float) -> list[int]:
    """The keys of what waits in one of these states for a time after a moment."""
    table = TABLE_OF[unit]
    query = select(table.c.key).where(
        table.c.state.in_(map(str, states)),
        table.c.direction.in_(map(str, Direction)),  # the index is by state and direction
        table.c.due > moment,
    )
    return list(connection.execute(query).scalars())


def overdue(connection: Connection, now: float, limit: int) -> list[Consignment]:
    """Consignments whose receipt should have come, before they expire. One that is sent without a receipt to come has no expiry."""
    query = select(CONSIGNMENTS).where(
        CONSIGNMENTS.c.state == str(State.SENT),
        CONSIGNMENTS.c.direction == str(Direction.OUT),
        CONSIGNMENTS.c.due <= now,
        CONSIGNMENTS.c.expires > now,
    )
    return [Consignment._make(row) for row in connection.execute(query.order_by(CONSIGNMENTS.c.key).limit(limit))]


def expired(
    connection: Connection, unit: type[Identified], states: Sequence[State], moment: float, limit: int
) -> list[Identified]:
    """Outbound units in these states whose expiry lies before a moment."""
    table = TABLE_OF[unit]
    query = select(table).where(
        table.c.state.in_(map(str, states)), table.c.direction == str(Direction.OUT), table.c.expires <= moment
    )
    return [unit._make(row) for row in connection.execute(query.limit(limit))]
