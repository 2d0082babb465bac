"""Extracts that came and went, and what a new one is compared with. Reads only."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import Final

from sqlalchemy import Connection, select

from gateway.domain.calendar import Delivery
from gateway.domain.extract_name import FLOW as EXTRACT
from gateway.domain.extract_name import authorities_named
from gateway.domain.states import Direction, State
from gateway.ledger.queries.events import last_details
from gateway.ledger.queries.facts import ARRIVED, arrived, count_of, exceptions_in, told_of
from gateway.ledger.tables import TRANSFERS

_WENT_ON: Final = tuple(
    map(str, (State.VALIDATED, State.PACKED, State.SEALED, State.SENT, State.RECEIPTED, State.INGESTED))
)


def delivered(
    connection: Connection, partners: Collection[str], same: Callable[[str, str], bool]
) -> Iterator[tuple[str, Delivery]]:
    """Every extract that was delivered here, with the partner that it came from; `same` compares codes of authorities."""
    for row in arrived(connection, Direction.IN, (EXTRACT,), partners):
        other = not all(same(code, row.partner) for code in authorities_named(row.name))
        records = count_of(told_of(row.facts), "records")
        yield row.partner, Delivery(row.id, row.name, row.created, records, exceptions_in(row.facts), other)


def last_volume(connection: Connection, flow: str, partner: str, before: int) -> tuple[str, int] | None:
    """The last transfer of a flow that a partner receipted, admitted before the row of that key: id and records."""
    row = connection.execute(
        select(TRANSFERS.c.id, TRANSFERS.c.facts)
        .where(
            TRANSFERS.c.partner == partner,
            TRANSFERS.c.flow == flow,
            TRANSFERS.c.direction == str(Direction.OUT),
            TRANSFERS.c.state.in_(ARRIVED[Direction.OUT]),
            TRANSFERS.c.key < before,
        )
        .order_by(TRANSFERS.c.key.desc())
        .limit(1)
    ).first()
    records = None if row is None else count_of(told_of(row.facts), "records")
    return None if row is None or records is None else (row.id, records)


def released_names(connection: Connection, flow: str, partner: str, code: str) -> list[str]:
    """The names of submitted files of a flow to a partner that were held for `code`, and let go on by a person."""
    query = select(TRANSFERS.c.id, TRANSFERS.c.name).where(
        TRANSFERS.c.partner == partner,
        TRANSFERS.c.flow == flow,
        TRANSFERS.c.direction == str(Direction.OUT),
        TRANSFERS.c.state.in_(_WENT_ON),
    )
    names: dict[str, str] = {row.id: row.name for row in connection.execute(query)}
    held = last_details(connection, ["transfer.held"], list(names))
    return [names[identity] for identity, (_, detail) in held.items() if detail.get("code") == code]
