"""What a copy of the site has to know, and what nobody knows after a restoration from one. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import orjson
from sqlalchemy import Connection, or_, select

from gateway.domain.identity import from_text
from gateway.domain.states import Direction, State
from gateway.ledger.chain import RESTORED
from gateway.ledger.tables import EVENTS, TRANSFERS
from gateway.ledger.units import Transfer

SUBJECT: Final = "restoration"
"""What the event is about."""


@dataclass(frozen=True)
class Restoration:
    """One restoration of this site, as its chain tells it: its event, the copy's last event and time, and when the site stopped."""

    event: int
    head: int
    taken: str
    stopped: str


def restorations(connection: Connection) -> list[Restoration]:
    """Every restoration, in order."""
    query = select(EVENTS.c.sequence, EVENTS.c.detail).where(EVENTS.c.subject == SUBJECT, EVENTS.c.event == RESTORED)
    found = [(sequence, orjson.loads(detail)) for sequence, detail in connection.execute(query)]
    return [
        Restoration(sequence, int(said["head"][0]), str(said["taken"]), str(said["stopped"]))
        for sequence, said in found
    ]


def was_lost(connection: Connection, sequence: int) -> bool:
    """Whether an event of that number was lost with a disk, by what the chain says of a restoration."""
    return any(each.head < sequence < each.event for each in restorations(connection))


def last_loss(connection: Connection) -> float | None:
    """When the site stopped working before it was restored last (seconds since 1970); None where it never was."""
    found = restorations(connection)
    return from_text(found[-1].stopped) if found else None


def about_to_be_delivered(connection: Connection) -> list[Transfer]:
    """Opened transfers, of which the ledger does not know whether they were delivered."""
    query = select(TRANSFERS).where(TRANSFERS.c.direction == str(Direction.IN), TRANSFERS.c.state == str(State.OPENED))
    return [Transfer._make(row) for row in connection.execute(query.order_by(TRANSFERS.c.key))]


def dropped_since(connection: Connection, moment: float) -> list[tuple[str, str, str, str]]:
    """Flow, partner, name and SHA-256 of the files that were admitted since, or that may lie in spool/outbound yet."""
    query = select(TRANSFERS.c.flow, TRANSFERS.c.partner, TRANSFERS.c.name, TRANSFERS.c.sha256).where(
        TRANSFERS.c.direction == str(Direction.OUT),
        or_(TRANSFERS.c.created >= moment, TRANSFERS.c.spool_file.is_not(None)),
    )
    return [(row[0], row[1], row[2], row[3]) for row in connection.execute(query)]
