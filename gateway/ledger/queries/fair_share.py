"""Whose turn it is: what is due, shared out between lanes, so that a backlog in one of them does not starve the others.

Reads only. A lane is here what waits for one partner; of transfers, for one partner and flow. The first row of each lane
is found by a seek from lane to lane in an index, so the cost grows with lanes and with what is taken, not with backlogs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Select,
    Table,
    bindparam,
    func,
    literal_column,
    select,
    true,
    tuple_,
)
from sqlalchemy.sql.expression import CTE

from gateway.domain.states import Direction, State
from gateway.ledger.tables import CONSIGNMENTS, RECEIPTS, TRANSFERS
from gateway.ledger.units import TABLE_OF, AnyUnit, Unit

_LANE: Final[Mapping[str, tuple[str, ...]]] = {
    TRANSFERS.name: ("partner", "flow"),
    CONSIGNMENTS.name: ("partner",),
    RECEIPTS.name: ("partner",),
}
"""What makes a lane of a table; with `state` and `direction` before them, the index that finds its first row."""

_KEPT: Final = 256
"""Questions that are kept as they were put together: that takes twenty times as long as asking them."""

Where = Callable[[FromClause], Sequence[ColumnElement[bool]]]
"""Conditions on rows of a table, or of an alias of it. The same conditions are the same object: questions are kept by it."""


def anything(_rows: FromClause) -> Sequence[ColumnElement[bool]]:
    """No condition."""
    return ()


def but(partners: Iterable[str]) -> Where:
    """The condition that leaves out what belongs to these partners."""
    return _one_of("partner", tuple(partners), among=False)


def to(partners: Iterable[str]) -> Where:
    """The condition that leaves in what belongs to these partners alone."""
    return _one_of("partner", tuple(partners), among=True)


def not_of(flows: Iterable[str]) -> Where:
    """The condition that leaves out what belongs to these flows."""
    return _one_of("flow", tuple(flows), among=False)


@lru_cache(_KEPT)
def _one_of(column: str, values: tuple[str, ...], *, among: bool) -> Where:
    if not values and not among:
        return anything
    return lambda rows: (rows.c[column].in_(values) if among else rows.c[column].not_in(values),)


@lru_cache(_KEPT)
def larger(column: str, size: int, *, large: bool | None) -> Where:
    """The condition that a column is above `size`, or (`large` is False) that it is not; None: either."""
    return lambda rows: () if large is None else (rows.c[column] > size if large else rows.c[column] <= size,)


@lru_cache(_KEPT)
def both(*conditions: Where) -> Where:
    """All of these conditions."""
    return lambda rows: tuple(each for condition in conditions for each in condition(rows))


def due(
    connection: Connection,
    unit: type[AnyUnit],
    direction: Direction,
    state: State,
    now: float,
    limit: int,
    where: Where = anything,
) -> list[AnyUnit]:
    """At most `limit` of what waits in a state and may be worked on now, of each lane its share; `where` says what counts.

    What one lane does not need, the others get. In order: what broke off an earlier attempt last, then the oldest first.
    """
    table = TABLE_OF[unit]
    if not _is_any(connection, table, direction, state):
        return []
    query = _shares(table, direction, state, where, lateral=_takes_lateral(connection))
    count = connection.execute(_count(table, direction, state)).scalar_one()
    found: dict[int, AnyUnit] = {}
    share = max(limit // max(count, 1), 1)
    while count and len(found) < limit:
        before = len(found)
        given = {"now": now, "share": share, "limit": limit}
        for row in map(unit._make, connection.execute(query, given)):
            found.setdefault(row.key, row)
        if len(found) == before:
            break
        share *= 4  # what the first round left is for the lanes that have more
    return sorted(list(found.values())[:limit], key=lambda row: (row.claims, row.key))


def next_in_turn(
    connection: Connection,
    unit: type[AnyUnit],
    direction: Direction,
    state: State,
    now: float,
    after: str,
    where: Where = anything,
) -> AnyUnit | None:
    """The one unit to work on next: the oldest one of the partner that comes after `after`, round and round.

    What broke off an earlier attempt comes last. `where` says which units count.
    """
    table = TABLE_OF[unit]
    if not _is_any(connection, table, direction, state):
        return None
    for query in _turns(table, direction, state, where):
        found = connection.execute(query, {"now": now, "after": after}).first()
        if found is not None:
            return unit._make(found)
    return None


def of_each_lane(
    connection: Connection,
    unit: type[AnyUnit],
    direction: Direction,
    state: State,
    now: float,
    share: int,
    where: Where = anything,
) -> list[AnyUnit]:
    """The first `share` units of every lane: what broke off an earlier attempt last, then the oldest first."""
    table = TABLE_OF[unit]
    if not _is_any(connection, table, direction, state):
        return []
    query = _each_lane(table, direction, state, where, lateral=_takes_lateral(connection))
    return [unit._make(row) for row in connection.execute(query, {"now": now, "share": share})]


def lanes(connection: Connection, unit: type[Unit], direction: Direction, state: State) -> list[tuple[str, ...]]:
    """Every lane in which anything is in a state, deferred or not: its partner; of transfers, partner and flow."""
    table = TABLE_OF[unit]
    if not _is_any(connection, table, direction, state):
        return []
    return [tuple(row) for row in connection.execute(_names_of_lanes(table, direction, state))]


def _is_any(connection: Connection, table: Table, direction: Direction, state: State) -> bool:
    """Whether anything is in a state at all: mostly nothing is, and putting the real question together takes longer."""
    return connection.execute(_anything(table), {"state": state, "direction": direction}).first() is not None


def _takes_lateral(connection: Connection) -> bool:
    return connection.dialect.name != "sqlite"


@cache
def _anything(table: Table) -> Select[Any]:
    here = (table.c.state == bindparam("state"), table.c.direction == bindparam("direction"))
    return select(literal_column("1")).select_from(table).where(*here).limit(1)


def _free(direction: Direction, state: State, more: Where) -> Where:
    # The sum keeps SQLite from taking the index of what is due when, and sorting all of it for each lane.
    return lambda rows: (*_here(rows, direction, state), rows.c.due + 0.0 <= bindparam("now"), *more(rows))


@lru_cache(_KEPT)
def _turns(table: Table, direction: Direction, state: State, where: Where) -> tuple[Select[Any], ...]:
    """The three questions whose turn it is: fresh ones of the partners after `after`, of any partner, what is left."""
    fresh, later = table.c.claims == 0, table.c.partner > bindparam("after")
    free = select(table).where(*_free(direction, state, where)(table))
    free = free.order_by(table.c.partner, table.c.claims, table.c.key).limit(1)
    return free.where(fresh, later), free.where(fresh), free


@lru_cache(_KEPT)
def _shares(table: Table, direction: Direction, state: State, where: Where, *, lateral: bool) -> Select[Any]:
    return _of_each(table, direction, state, where, lateral=lateral).limit(bindparam("limit", type_=Integer))


@lru_cache(_KEPT)
def _each_lane(table: Table, direction: Direction, state: State, where: Where, *, lateral: bool) -> Select[Any]:
    return _of_each(table, direction, state, where, lateral=lateral).order_by(table.c.claims, table.c.key)


def _of_each(table: Table, direction: Direction, state: State, where: Where, *, lateral: bool) -> Select[Any]:
    """The first `share` rows of each lane that satisfy `where`. SQLite lets the list of keys lead it to the rows; PostgreSQL would ask
    of each row whether it is in the list, and takes the same as a `lateral` join.
    """
    heads, free = _lanes(table, direction, state), _free(direction, state, where)
    head, waiting = table.alias("head"), table.alias("waiting")
    same = [waiting.c[name] == head.c[name] for name in _LANE[table.name]]
    first = select(waiting.c.key).where(*same, *free(waiting)).order_by(waiting.c.claims, waiting.c.key)
    lane = heads.join(head, head.c.key == heads.c.key)
    chosen = first.limit(bindparam("share", type_=Integer)).correlate(head)
    if lateral:
        keys = chosen.lateral("chosen")
        return select(table).select_from(lane.join(keys, true()).join(table, table.c.key == keys.c.key))
    return select(table).select_from(lane.join(table, table.c.key.in_(chosen)))


@cache
def _count(table: Table, direction: Direction, state: State) -> Select[Any]:
    return select(func.count(_lanes(table, direction, state).c.key))


@cache
def _names_of_lanes(table: Table, direction: Direction, state: State) -> Select[Any]:
    heads = _lanes(table, direction, state)
    return select(*(table.c[name] for name in _LANE[table.name])).join(heads, heads.c.key == table.c.key)


def _here(rows: FromClause, direction: Direction, state: State) -> Sequence[ColumnElement[bool]]:
    return (rows.c.state == str(state), rows.c.direction == str(direction))


@cache  # putting this part of a question together takes ten times as long as the answer
def _lanes(table: Table, direction: Direction, state: State) -> CTE:
    """The key of one row of every lane: a seek for each, from one lane to the next. The last row is NULL."""
    names = _LANE[table.name]

    def key(rows: FromClause, *where: ColumnElement[bool]) -> Any:
        query = select(rows.c.key).where(*_here(rows, direction, state), *where)
        return query.order_by(*(rows.c[name] for name in names)).limit(1)

    heads = select(key(table.alias("start")).scalar_subquery().label("key")).cte("heads", recursive=True)
    here, following = table.alias("here"), table.alias("following")
    beyond = tuple_(*(following.c[name] for name in names)) > tuple_(*(here.c[name] for name in names))
    step = key(following, beyond).correlate(here).scalar_subquery()
    return heads.union_all(select(step).select_from(heads.join(here, here.c.key == heads.c.key)))
