"""What waits for its turn, and what for the time of day: how much could be worked on at this moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlalchemy import Connection, and_, func, or_, select, tuple_

from gateway.domain.requests import BY_STAGE
from gateway.domain.states import Direction, State
from gateway.ledger import requests
from gateway.ledger.queries import fair_share
from gateway.ledger.queries.back_office_answers import to_notify
from gateway.ledger.queries.custody import finished_but_kept
from gateway.ledger.queries.receipts import behind_another
from gateway.ledger.tables import CONSIGNMENTS, LANES, RECEIPTS, TRANSFERS
from gateway.ledger.units import Transfer


def ready(connection: Connection, partner: str) -> dict[str, int]:
    """How many transfers of each flow could go to a partner, or could be packed for it, but for the time of day."""
    query = select(TRANSFERS.c.flow, func.count()).where(
        TRANSFERS.c.state.in_([State.VALIDATED, State.SEALED]),
        TRANSFERS.c.direction == str(Direction.OUT),
        TRANSFERS.c.partner == partner,
    )
    return {row[0]: row[1] for row in connection.execute(query.group_by(TRANSFERS.c.flow))}


def due_now(
    connection: Connection,
    now: float,
    closed: Callable[[str, str, float], bool] = lambda _partner, _flow, _now: False,
    stopped: Iterable[str] = (),
) -> int:
    """How many units and requests some role could work on at this moment: nothing means idle.

    `closed` says whether the window of a partner and flow is closed: what waits for it is not due, and neither is what
    waits for a partner that is stopped.
    """
    total = 0
    lanes = {
        lane
        for state in (State.VALIDATED, State.SEALED)
        for lane in fair_share.lanes(connection, Transfer, Direction.OUT, state)
    }
    shut = [(partner, flow) for partner, flow in lanes if closed(partner, flow, now)]
    work = {
        TRANSFERS: {Direction.OUT: [State.ADMITTED, State.VALIDATED, State.PACKED], Direction.IN: [State.OPENED]},
        CONSIGNMENTS: {Direction.OUT: [State.PACKED, State.SEALED], Direction.IN: [State.LANDED, State.OPENED]},
        RECEIPTS: {Direction.OUT: [State.ISSUED, State.SEALED], Direction.IN: [State.LANDED]},
    }
    blocked = select(LANES.c.partner).where(or_(LANES.c.held.is_(True), LANES.c.due > now))
    idle = tuple(stopped)
    for table, states_of in work.items():
        for direction, states in states_of.items():
            query = select(func.count()).where(
                table.c.direction == str(direction), table.c.state.in_(map(str, states)), table.c.due <= now
            )
            if direction is Direction.OUT:
                # A unit towards a lane that is held, or that waits after a failure, is not due.
                waiting = [str(state) for state in states if state is not State.ADMITTED and state is not State.ISSUED]
                query = query.where(~and_(table.c.state.in_(waiting), table.c.partner.in_(blocked)))
            if idle:
                # What was opened is delivered: it takes nothing of the partner's settings.
                query = query.where(~and_(table.c.partner.in_(idle), table.c.state != str(State.OPENED)))
            if table is RECEIPTS:
                query = query.where(~behind_another())
            elif shut and direction is Direction.OUT:
                ready = table.c.state.in_([State.VALIDATED, State.SEALED])
                query = query.where(~and_(ready, tuple_(table.c.partner, table.c.flow).in_(shut)))
            total += connection.execute(query).scalar_one()
    total += len(requests.waiting(connection, BY_STAGE))
    return total + len(finished_but_kept(connection, 1)) + len(to_notify(connection, 1))
