"""What this site can tell a partner that lost its ledger: consignments between the two that were answered. Reads only."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, func, select

from gateway.domain.states import Direction, State
from gateway.ledger.tables import CONSIGNMENTS, RECEIPTS
from gateway.ledger.units import Consignment, Receipt


def answered(connection: Connection, direction: Direction, partner: str, since: float) -> list[Consignment]:
    """Consignments from or to a partner that their receiver has answered, whose rows were moved since a moment."""
    state = State.DELIVERED if direction == Direction.IN else State.RECEIPTED
    query = select(CONSIGNMENTS).where(
        CONSIGNMENTS.c.direction == str(direction),
        CONSIGNMENTS.c.partner == partner,
        CONSIGNMENTS.c.state == str(state),
        CONSIGNMENTS.c.sequence.is_not(None),
        CONSIGNMENTS.c.updated >= since,
    )
    return [Consignment._make(row) for row in connection.execute(query.order_by(CONSIGNMENTS.c.key))]


def unanswered_in(connection: Connection, partner: str) -> list[str]:
    """The ids of a partner's consignments that have come and were not answered yet."""
    query = select(CONSIGNMENTS.c.id).where(
        CONSIGNMENTS.c.direction == str(Direction.IN),
        CONSIGNMENTS.c.partner == partner,
        CONSIGNMENTS.c.state.in_([str(State.LANDED), str(State.OPENED), str(State.HELD)]),
    )
    return list(connection.execute(query).scalars())


def highest_sequence(connection: Connection, partner: str) -> int:
    """The highest number of a partner's consignments that were opened here; 0 where none was."""
    query = select(func.max(CONSIGNMENTS.c.sequence)).where(
        CONSIGNMENTS.c.direction == str(Direction.IN), CONSIGNMENTS.c.partner == partner
    )
    return connection.execute(query).scalar() or 0


def sent_receipts(connection: Connection, partner: str, since: float) -> Iterator[Receipt]:
    """Our receipts that a partner was sent since a moment."""
    query = select(RECEIPTS).where(
        RECEIPTS.c.direction == str(Direction.OUT),
        RECEIPTS.c.partner == partner,
        RECEIPTS.c.state == str(State.SENT),
        RECEIPTS.c.updated >= since,
    )
    for row in connection.execute(query.order_by(RECEIPTS.c.key)):
        yield Receipt._make(row)
