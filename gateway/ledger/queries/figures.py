"""Figures of the whole ledger, for metrics: by indexes alone where rows are many, and what came since the last look by its number.

Reads only. A ledger of a million transfers is counted in a fraction of a second, since the index on state and lane has
everything that is counted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

import orjson
from sqlalchemy import Connection, and_, case, func, or_, select

from gateway.domain.identity import from_text
from gateway.domain.states import Direction, State
from gateway.ledger.tables import CONSIGNMENTS, EVENTS, QUARANTINE, RECEIPTS, TRANSFERS

_WAITING: Final = {
    Direction.OUT: (State.ADMITTED, State.VALIDATED, State.PACKED, State.SEALED, State.SENT, State.HELD),
    Direction.IN: (State.OPENED, State.HELD),
}
_AWAITED: Final = CONSIGNMENTS.c.expires.is_not(None)
"""Of what was sent: a receipt is waited for."""
MOST_TAKEN: Final = 10_000
"""So many transfers are counted for a page."""
_ENDED: Final = ("transfer.receipted", "transfer.delivered")


class TransferCount(NamedTuple):
    """How many transfers of a flow with a partner are in a state."""

    direction: str
    partner: str
    flow: str
    state: str
    number: int


class WaitingTransfers(NamedTuple):
    """What has not arrived yet of a flow with a partner: the oldest's moment (seconds since 1970), and all bytes."""

    direction: str
    partner: str
    flow: str
    oldest: float
    bytes: int


class Ended(NamedTuple):
    """A transfer that arrived: out when its receipt was verified, in when it was delivered; how long that took."""

    direction: str
    partner: str
    flow: str
    bytes: int
    seconds: float


class LastReceipt(NamedTuple):
    """Moments of a partner's last receipt: first sent, landed, both by our clock, and issued by the partner's."""

    sent: float
    issued: float
    landed: float


def transfer_counts(connection: Connection) -> list[TransferCount]:
    """All transfers, by direction, partner, flow and state."""
    about = (TRANSFERS.c.state, TRANSFERS.c.direction, TRANSFERS.c.partner, TRANSFERS.c.flow)
    query = select(*about, func.count()).group_by(*about)
    return [
        TransferCount(str(direction), partner, flow, str(state), count)
        for state, direction, partner, flow, count in connection.execute(query)
    ]


def waiting_transfers(connection: Connection) -> list[WaitingTransfers]:
    """What was taken into custody and has no receipt, and what was opened and is not delivered; what is held is in it, and
    what ended without a receipt (`is_unconfirmed`) is not.
    """
    found: dict[tuple[str, str, str], WaitingTransfers] = {}
    for direction, states in _WAITING.items():
        for state in states:  # one at a time: then the index on lanes has the rows in the order of the groups
            query = (
                select(TRANSFERS.c.partner, TRANSFERS.c.flow, func.min(TRANSFERS.c.created), func.sum(TRANSFERS.c.size))
                .where(TRANSFERS.c.state == str(state), TRANSFERS.c.direction == str(direction))
                .where(*([TRANSFERS.c.expires.is_not(None)] if state is State.SENT else []))
                .group_by(TRANSFERS.c.partner, TRANSFERS.c.flow)
            )
            for partner, flow, oldest, size in connection.execute(query):
                lane = (str(direction), partner, flow)
                before = found.get(lane, WaitingTransfers(*lane, oldest, 0))
                found[lane] = WaitingTransfers(*lane, min(oldest, before.oldest), before.bytes + size)
    return list(found.values())


def held_units(connection: Connection) -> Iterator[tuple[str, str, int]]:
    """How much waits for a person's decision: kind, partner, number."""
    for kind, table in (("transfer", TRANSFERS), ("consignment", CONSIGNMENTS), ("receipt", RECEIPTS)):
        query = select(table.c.partner, func.count()).where(table.c.state == str(State.HELD)).group_by(table.c.partner)
        yield from ((kind, partner, count) for partner, count in connection.execute(query))


def locked_away(connection: Connection) -> list[tuple[str, int]]:
    """How much of each partner's is in quarantine and was not discarded."""
    query = select(QUARANTINE.c.partner, func.count()).where(QUARANTINE.c.discarded.is_(None))
    return [(partner, count) for partner, count in connection.execute(query.group_by(QUARANTINE.c.partner))]


def overdue_receipts(connection: Connection, now: float) -> Counter[str]:
    """How many consignments to each partner have waited for their receipt for longer than they should."""
    found: Counter[str] = Counter()
    resent = CONSIGNMENTS.c.resends > 0
    for state, late in ((State.SEALED, resent), (State.SENT, and_(_AWAITED, or_(resent, CONSIGNMENTS.c.due <= now)))):
        query = select(CONSIGNMENTS.c.partner, func.count()).where(
            CONSIGNMENTS.c.state == str(state),  # one at a time, as above
            CONSIGNMENTS.c.direction == str(Direction.OUT),
            late,
        )
        for partner, count in connection.execute(query.group_by(CONSIGNMENTS.c.partner)):
            found[partner] += count
    return found


def last_receipt(connection: Connection, partner: str) -> LastReceipt | None:
    """The moments of the last receipt that was accepted from a partner; None where there is none, or one is not known."""
    query = select(RECEIPTS.c.consignment, RECEIPTS.c.created, RECEIPTS.c.body).where(
        RECEIPTS.c.state == str(State.ACCEPTED),
        RECEIPTS.c.direction == str(Direction.IN),
        RECEIPTS.c.partner == partner,
        RECEIPTS.c.claims == 0,  # as ever once accepted: so the index gives the last one first
    )
    row = connection.execute(query.order_by(RECEIPTS.c.key.desc()).limit(1)).first()
    if row is None or row.body is None:
        return None
    first = select(func.min(EVENTS.c.at)).where(
        EVENTS.c.subject == row.consignment, EVENTS.c.event == "consignment.sent", EVENTS.c.partner == partner
    )
    sent = connection.execute(first).scalar()
    try:
        return (
            None
            if sent is None
            else LastReceipt(from_text(sent), from_text(orjson.loads(row.body)["issued"]), row.created)
        )
    except (ValueError, KeyError):
        return None  # the audit says what is the matter with that row


def last_sequence(connection: Connection) -> int:
    """The number of the chain's last event, 0 for none."""
    return connection.execute(select(func.max(EVENTS.c.sequence))).scalar() or 0


def event_counts(connection: Connection, after: int, until: int) -> list[tuple[str, int]]:
    """How many events of each name the chain has between two numbers, the second included."""
    query = select(EVENTS.c.event, func.count()).where(EVENTS.c.sequence > after, EVENTS.c.sequence <= until)
    return [(event, count) for event, count in connection.execute(query.group_by(EVENTS.c.event))]


def ended_transfers(connection: Connection, after: int, until: int) -> Iterator[Ended]:
    """The transfers whose arrival the chain tells of between two numbers, the second included."""
    direction = case((EVENTS.c.event == _ENDED[0], str(Direction.OUT)), else_=str(Direction.IN))
    same: Sequence[object] = (
        TRANSFERS.c.id == EVENTS.c.subject,
        TRANSFERS.c.partner == EVENTS.c.partner,
        TRANSFERS.c.direction == direction,
    )
    query = (
        select(
            TRANSFERS.c.direction,
            TRANSFERS.c.partner,
            TRANSFERS.c.flow,
            TRANSFERS.c.size,
            TRANSFERS.c.created,
            EVENTS.c.at,
        )
        .select_from(EVENTS.join(TRANSFERS, and_(*same)))  # type: ignore[arg-type]  # conditions all
        .where(EVENTS.c.sequence > after, EVENTS.c.sequence <= until, EVENTS.c.event.in_(_ENDED))
    )
    for way, partner, flow, size, created, at in connection.execute(query, execution_options={"yield_per": 2000}):
        yield Ended(str(way), partner, flow, size, max(0.0, from_text(at) - created))


def taken_in(connection: Connection, moments: Sequence[float]) -> list[int]:
    """How many transfers there are since each of these moments, the latest first, by the index of age: at most MOST_TAKEN are counted."""
    newest = select(TRANSFERS.c.created).where(TRANSFERS.c.created >= min(moments))
    newest = newest.order_by(TRANSFERS.c.created.desc()).limit(MOST_TAKEN)
    created = newest.subquery().c.created
    sums = (func.coalesce(func.sum(case((created >= moment, 1), else_=0)), 0) for moment in moments)
    return [int(number) for number in connection.execute(select(*sums)).one()]
