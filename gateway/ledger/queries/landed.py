"""How much came from partners: sizes of sealed files as they landed. Reads only."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import Connection, select

from gateway.domain.states import Direction
from gateway.errors import ConsignmentAltered, LandingUnexpected
from gateway.ledger.tables import CONSIGNMENTS, QUARANTINE


def taken_since(connection: Connection, since: float) -> Iterator[tuple[str, float, int]]:
    """The partner, the moment (seconds since 1970) and the bytes of all that was taken out of the landing, the earliest first.

    Receipts are left out, which are small. What was locked away as it landed has no consignment, and is counted by itself.
    """
    landed = select(CONSIGNMENTS.c.partner, CONSIGNMENTS.c.created, CONSIGNMENTS.c.sealed_size).where(
        CONSIGNMENTS.c.direction == Direction.IN, CONSIGNMENTS.c.created > since
    )
    refused = select(QUARANTINE.c.partner, QUARANTINE.c.received, QUARANTINE.c.size).where(
        QUARANTINE.c.received > since, QUARANTINE.c.code.in_([LandingUnexpected.code, ConsignmentAltered.code])
    )
    rows = [*connection.execute(landed), *connection.execute(refused)]
    for partner, moment, size in sorted(rows, key=lambda row: row[1]):
        yield partner, moment, size or 0
