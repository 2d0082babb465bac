"""What people asked, page by page. Reads only.

A page begins after a row of the one before, by the row's key, which grows with age: the thousandth page costs what the first one costs.
What is open is found by the indices of what is; what has ended is most of what there is.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Select, func, literal_column, select

from gateway.domain.requests import OPEN, Act, RequestState
from gateway.ledger.tables import REQUESTS
from gateway.ledger.units import Request

_INDEXED: Final = {
    state: REQUESTS.c.state == literal_column(f"'{state}'") for state in (RequestState.PROPOSED, RequestState.ASKED)
}
"""States with an index of their own, which is used where the state stands in the query as the index has it."""


@dataclass(frozen=True)
class Page:
    """Requests, the newest first. Another page begins before `before` and one after `after`; None at either end of the list."""

    rows: list[Request]
    before: int | None
    after: int | None


def page(
    connection: Connection,
    limit: int,
    *,
    states: Collection[RequestState] = (),
    acts: Collection[Act] = tuple(Act),
    after: int | None = None,
    before: int | None = None,
) -> Page:
    """At most `limit` requests after a row's key, or before one; in any state, or one of these, and for these acts."""
    newer = before is not None
    query = _meant(states, acts)
    if after is not None:
        query = query.where(REQUESTS.c.key < after)
    elif newer:
        query = query.where(REQUESTS.c.key > before)
    order = REQUESTS.c.key.asc() if newer else REQUESTS.c.key.desc()
    found = [Request._make(row) for row in connection.execute(query.order_by(order).limit(limit + 1))]
    more, rows = len(found) > limit, found[:limit]
    far = rows[-1].key if more else None
    near = rows[0].key if rows and (after is not None or newer) else None
    return Page(rows[::-1], far, near) if newer else Page(rows, near, far)


def count_proposed(connection: Connection) -> int:
    """How many requests wait for a second person."""
    query = select(func.count()).select_from(REQUESTS).where(_INDEXED[RequestState.PROPOSED])
    return connection.execute(query).scalar_one()


def open_about(connection: Connection, acts: Collection[Act], subject: str) -> list[Request]:
    """The requests for these acts about a subject of which something still becomes, the oldest first."""
    queries = (_meant([state], acts).where(REQUESTS.c.subject == subject) for state in OPEN)
    found = [Request._make(row) for query in queries for row in connection.execute(query)]
    return sorted(found, key=lambda row: row.key)


def count_at_machine(connection: Connection) -> int:
    """How many requests two people decided and wait for a person at the machine."""
    acts = [str(act) for act in Act if act.role == "machine"]
    query = select(func.count()).select_from(REQUESTS).where(_INDEXED[RequestState.ASKED], REQUESTS.c.act.in_(acts))
    return connection.execute(query).scalar_one()


def _meant(states: Collection[RequestState], acts: Collection[Act]) -> Select[Any]:
    query = select(REQUESTS)
    if states:
        (only, *others) = states
        by_index = _INDEXED.get(only) if not others else None
        query = query.where(REQUESTS.c.state.in_(map(str, states)) if by_index is None else by_index)
    return query if len(acts) == len(Act) else query.where(REQUESTS.c.act.in_(map(str, acts)))
