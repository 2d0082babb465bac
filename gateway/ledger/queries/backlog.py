"""What was delivered here and neither answered by the back office nor passed on: how much, since when, and which. Reads only.

All of it is asked by the index that has these rows alone, in the order of flow, partner and age: what a million answered
transfers cost is nothing, and a million that nobody ever answered are counted in a fifth of a second.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Select, func, literal_column, select, text

from gateway.ledger.tables import TRANSFERS, UNANSWERED
from gateway.ledger.units import Transfer

_DAY: Final = 86400.0
_KEY_OF_OLDEST: Final[ColumnElement[int]] = literal_column("(array_agg(key ORDER BY updated, key))[1]")


class Backlog(NamedTuple):
    """How many files of a flow from a partner are unanswered; the oldest one's key, and when it was delivered (seconds since 1970)."""

    flow: str
    partner: str
    number: int
    oldest: float
    key: int


def backlogs(
    connection: Connection, before: float, *, flow: str | None = None, partner: str | None = None
) -> list[Backlog]:
    """What was delivered before a moment and is unanswered, by flow and partner."""
    # Of the group's least moment SQLite gives the key of the row that has it.
    key = TRANSFERS.c.key if connection.dialect.name == "sqlite" else _KEY_OF_OLDEST
    about = (TRANSFERS.c.flow, TRANSFERS.c.partner, func.count(), func.min(TRANSFERS.c.updated), key)
    query = _meant(select(*about), before, flow, partner).group_by(TRANSFERS.c.flow, TRANSFERS.c.partner)
    return [Backlog._make(row) for row in connection.execute(query)]


def overdue(connection: Connection, answer_days: Mapping[str, int], now: float) -> list[Backlog]:
    """What waits for longer than was agreed: by flow, within how many days it is answered; 0 where nothing is agreed."""
    return [
        backlog
        for flow, days in answer_days.items()
        if days
        for backlog in backlogs(connection, now - days * _DAY, flow=flow)
    ]


def unanswered(
    connection: Connection,
    before: float,
    *,
    flow: str | None = None,
    partner: str | None = None,
    limit: int | None = None,
) -> list[Transfer]:
    """The first `limit` of what was delivered before a moment and is unanswered: by flow and partner, the oldest first."""
    order = (TRANSFERS.c.flow, TRANSFERS.c.partner, TRANSFERS.c.updated, TRANSFERS.c.key)
    query = _meant(select(TRANSFERS), before, flow, partner).order_by(*order)
    return [Transfer._make(row) for row in connection.execute(query if limit is None else query.limit(limit))]


def by_keys(connection: Connection, found: list[Backlog]) -> dict[int, Transfer]:
    """The oldest of each backlog, by its key."""
    rows = (
        connection.execute(select(TRANSFERS).where(TRANSFERS.c.key == each.key)).first() for each in found
    )  # as many as there are flows and partners
    return {row.key: Transfer._make(row) for row in rows if row is not None}


def _meant(query: Select[Any], before: float, flow: str | None, partner: str | None) -> Select[Any]:
    query = query.where(text(UNANSWERED), TRANSFERS.c.updated <= before)
    if flow is not None:
        query = query.where(TRANSFERS.c.flow == flow)
    if partner is None:
        return query
    # Without a flow it is looked for among all that is unanswered: an index of partners would give all that ever came from one.
    return query.where((TRANSFERS.c.partner.concat("") if flow is None else TRANSFERS.c.partner) == partner)
