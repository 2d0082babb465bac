"""What could be carried by hand, and what is: sealed parcels, and those that left on a medium. Reads only.

A parcel that left on a medium is `sent`, and the last event of its row is the export's (EXPORTED), which names the waybill.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import orjson
from sqlalchemy import Connection, func, select

from gateway.domain.states import Direction, State
from gateway.ledger.queries.identities import begins
from gateway.ledger.tables import CONSIGNMENTS, EVENTS, RECEIPTS, TRANSFERS
from gateway.ledger.units import TABLE_OF, AnyParcel, Consignment

EXPORTED: Final = ("consignment.exported", "receipt.exported")


@dataclass(frozen=True)
class Behind:
    """What is not sealed yet and goes to the same partner: files, and receipts."""

    files: int
    receipts: int


def sealed(connection: Connection, unit: type[AnyParcel], partner: str, most: int) -> list[AnyParcel]:
    """What waits sealed to go to a partner, the oldest first."""
    table = TABLE_OF[unit]
    query = select(table).where(
        table.c.state == str(State.SEALED), table.c.direction == str(Direction.OUT), table.c.partner == partner
    )
    return [unit._make(row) for row in connection.execute(query.order_by(table.c.key).limit(most))]


def behind(connection: Connection, partner: str) -> Behind:
    """What will be sealed for a partner once there is room, or once its moment comes."""
    states = (str(State.ADMITTED), str(State.VALIDATED), str(State.PACKED))
    files = select(func.count()).where(
        TRANSFERS.c.state.in_(states), TRANSFERS.c.direction == str(Direction.OUT), TRANSFERS.c.partner == partner
    )
    receipts = select(func.count()).where(
        RECEIPTS.c.state == str(State.ISSUED), RECEIPTS.c.direction == str(Direction.OUT), RECEIPTS.c.partner == partner
    )
    return Behind(connection.execute(files).scalar_one(), connection.execute(receipts).scalar_one())


def carried(connection: Connection, partner: str) -> list[tuple[Consignment, str]]:
    """Consignments that left for a partner on a medium, are `sent` by that and not answered, with the numbers of their waybills."""
    query = select(*CONSIGNMENTS.c, EVENTS.c.detail.label("said")).join(
        EVENTS, EVENTS.c.sequence == CONSIGNMENTS.c.event
    )
    query = query.where(
        CONSIGNMENTS.c.state == str(State.SENT),
        CONSIGNMENTS.c.direction == str(Direction.OUT),
        CONSIGNMENTS.c.partner == partner,
        EVENTS.c.event.in_(EXPORTED),
    )
    return [
        (Consignment._make(row[:-1]), str(orjson.loads(row[-1])["waybill"][0]))
        for row in connection.execute(query.order_by(CONSIGNMENTS.c.key))
    ]


def waybills(connection: Connection, partner: str, number: str) -> list[tuple[str, int, int]]:
    """Waybills to a partner whose number starts so: their numbers, and the first and last event of what left with each."""
    query = select(EVENTS.c.subject, EVENTS.c.sequence, EVENTS.c.detail).where(
        *begins(EVENTS.c.subject, number), EVENTS.c.event == "medium.exported", EVENTS.c.partner == partner
    )
    # One transaction wrote all of it: the waybill's event, and then one for each parcel.
    return [
        (row.subject, row.sequence + 1, row.sequence + orjson.loads(row.detail)["count"])
        for row in connection.execute(query)
    ]


def still_carried(
    connection: Connection, unit: type[AnyParcel], partner: str, first: int, last: int
) -> list[AnyParcel]:
    """Of what left with one waybill, by its first and last event, all that is `sent` by that still."""
    table = TABLE_OF[unit]
    subject = RECEIPTS.c.consignment if table is RECEIPTS else CONSIGNMENTS.c.id
    query = select(table).join(EVENTS, (EVENTS.c.subject == subject) & (EVENTS.c.sequence == table.c.event))
    query = query.where(
        EVENTS.c.sequence.between(first, last),
        table.c.partner == partner,
        table.c.direction == str(Direction.OUT),
        table.c.state == str(State.SENT),
    )
    return [unit._make(row) for row in connection.execute(query.order_by(table.c.key))]


def not_carried(connection: Connection, keys: Iterable[int]) -> list[int]:
    """Those of these consignments' keys that did not leave on a medium last."""
    query = select(EVENTS.c.event).join(CONSIGNMENTS, EVENTS.c.sequence == CONSIGNMENTS.c.event)
    return [key for key in keys if connection.execute(query.where(CONSIGNMENTS.c.key == key)).scalar() not in EXPORTED]
