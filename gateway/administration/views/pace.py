"""How much goes through a site in a day, and how long it takes: out of bounded looks at the ledger's newest. Reads only; raises nothing of its own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import median
from typing import Final

from gateway.domain.identity import to_text
from gateway.domain.states import Direction
from gateway.ledger.queries import figures
from gateway.ledger.queries.events import last_before
from gateway.ledger.store import Connection

_HOUR: Final = 3_600.0
_DAY: Final = 86_400.0
_EVENTS: Final = 1_000
"""The chain's last events that are looked through for arrivals."""


@dataclass(frozen=True)
class Arrival:
    """How long the last files of the day took to arrive, in seconds: out from drop to receipt, in from opening to delivery."""

    direction: Direction
    files: int
    median: float
    slowest: float


@dataclass(frozen=True)
class Pace:
    """Transfers, of both directions, that there are since an hour and since a day ago; `many` where no more than these of the day were counted."""

    hour: int
    day: int
    many: bool
    arrivals: tuple[Arrival, ...]


def pace(connection: Connection, now: float) -> Pace:
    """The last day's."""
    hour, day = figures.taken_in(connection, (now - _HOUR, now - _DAY))
    return Pace(hour, day, day == figures.MOST_TAKEN, tuple(_arrivals(connection, now)))


def _arrivals(connection: Connection, now: float) -> Iterator[Arrival]:
    head = figures.last_sequence(connection)
    start = max(last_before(connection, to_text(now - _DAY)), head - _EVENTS)
    ended = list(figures.ended_transfers(connection, start, head))
    for direction in Direction:
        seconds = [each.seconds for each in ended if each.direction == direction]
        if seconds:
            yield Arrival(direction, len(seconds), median(seconds), max(seconds))
