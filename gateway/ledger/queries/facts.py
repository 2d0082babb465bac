"""What validators told about transfers, read back from their rows. Reads only, by the index on partner and flow.

Facts never change once they are written. Referrals and extracts are computed from them at each query and kept nowhere else:
100,000 referrals among a million transfers are read in seconds (ADR 0017), so a table of their own would only be a
second truth.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import Connection, select

from gateway.domain.states import Direction, State
from gateway.ledger.tables import TRANSFERS

ARRIVED: Final = {
    Direction.OUT: (str(State.RECEIPTED), str(State.INGESTED)),
    Direction.IN: (str(State.DELIVERED), str(State.INGESTED)),
}
"""The states of transfers whose content the recipient has."""


class Arrived(NamedTuple):
    """A transfer that the recipient has, as far as its facts are asked for."""

    id: str
    partner: str
    flow: str
    name: str
    created: float
    facts: str | None


def arrived(
    connection: Connection, direction: Direction, flows: Sequence[str], partners: Collection[str]
) -> Iterator[Arrived]:
    """Transfers that arrived, of these flows and partners, partner by partner: so that the index is used."""
    query = select(*(TRANSFERS.c[name] for name in Arrived._fields)).where(
        TRANSFERS.c.flow.in_(flows),
        # As an expression: the index of direction and partner would read all of a partner's transfers.
        TRANSFERS.c.direction.concat("") == str(direction),
        TRANSFERS.c.state.in_(ARRIVED[direction]),
    )
    for partner in sorted(partners):
        rows = connection.execute(query.where(TRANSFERS.c.partner == partner).order_by(TRANSFERS.c.key))
        yield from map(Arrived._make, rows)


def exceptions_in(facts: str | None) -> tuple[int, int] | None:
    """How many exceptions a transfer's facts tell of, and in how many records; None where they tell of none."""
    if facts is None or '"exceptions"' not in facts:  # most rows, of which some have long facts
        return None
    told = orjson.loads(facts)
    return int(told["exceptions"]), int(told["faulty_records"])


def told_of(facts: str | None) -> Mapping[str, str]:
    """A transfer's facts by their names."""
    return orjson.loads(facts) if facts else {}


def list_of(told: Mapping[str, str], name: str) -> list[Any]:
    """A fact that is a list: JSON in a text, as the validators give it."""
    return orjson.loads(told[name]) if name in told else []


def count_of(told: Mapping[str, str], name: str) -> int | None:
    """A fact that is a number; None where it is not told."""
    return int(told[name]) if name in told else None
