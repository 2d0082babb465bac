"""Whose turn it is: what is due, shared out between lanes, so that a backlog in one of them does not starve the others.

Reads only. A lane is here what waits for one partner; of transfers, for one partner and flow. The first row of each lane
is found by a seek from lane to lane in an index, so the cost grows with lanes and with what is taken, not with backlogs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Select,
    Table,
    bindparam,
    func,
    literal_column,
    select,
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

Where = Callable[[FromClause], Sequence[ColumnElement[bool]]]
"""Conditions on rows of a table, or of an alias of it."""


def but(partners: Iterable[str]) -> Where:
    """The condition that leaves out what belongs to these partners."""
    codes = tuple(partners)
    return lambda rows: (rows.c.partner.not_in(codes),) if codes else ()


def to(partners: Iterable[str]) -> Where:
    """The condition that leaves in what belongs to these partners alone."""
    codes = tuple(partners)
    return lambda rows: (rows.c.partner.in_(codes),)


def not_of(flows: Iterable[str]) -> Where:
    """The condition that leaves out what belongs to these flows."""
    names = tuple(flows)
    return lambda rows: (rows.c.flow.not_in(names),)


def larger(column: str, size: int, *, large: bool | None) -> Where:
    """The condition that a column is above `size`, or (`large` is False) that it is not; None: either."""
    return lambda rows: () if large is None else ((rows.c[column] > size) == large,)


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
    where: Where = lambda _rows: (),
) -> list[AnyUnit]:
    """At most `limit` of what waits in a state and may be worked on now, of each lane its share; `where` says what counts.

    What one lane does not need, the others get. In order: what broke off an earlier attempt last, then the oldest first.
    """
    table = TABLE_OF[unit]
    if not _is_any(connection, table, direction, state):
        return []
    heads, free = _lanes(table, direction, state), _free(direction, state, now, where)
    count = connection.execute(select(func.count(heads.c.key))).scalar_one()
    found: dict[int, AnyUnit] = {}
    share = max(limit // max(count, 1), 1)
    while count and len(found) < limit:
        before = len(found)
        for row in map(unit._make, connection.execute(_of_each(table, heads, free, share).limit(limit))):
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
    where: Where = lambda _rows: (),
) -> AnyUnit | None:
    """The one unit to work on next: the oldest one of the partner that comes after `after`, round and round.

    What broke off an earlier attempt comes last. `where` says which units count.
    """
    table = TABLE_OF[unit]
    if not _is_any(connection, table, direction, state):
        return None
    fresh = table.c.claims == 0
    for further in ((fresh, table.c.partner > after), (fresh,), ()):
        query = select(table).where(*_free(direction, state, now, where)(table), *further)
        found = connection.execute(query.order_by(table.c.partner, table.c.claims, table.c.key).limit(1)).first()
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
    where: Where = lambda _rows: (),
) -> list[AnyUnit]:
    """The first `share` units of every lane: what broke off an earlier attempt last, then the oldest first."""
    table = TABLE_OF[unit]
    if not _is_any(connection, table, direction, state):
        return []
    each = _of_each(table, _lanes(table, direction, state), _free(direction, state, now, where), share)
    return [unit._make(row) for row in connection.execute(each.order_by(table.c.claims, table.c.key))]


def lanes(connection: Connection, unit: type[Unit], direction: Direction, state: State) -> list[tuple[str, ...]]:
    """Every lane in which anything is in a state, deferred or not: its partner; of transfers, partner and flow."""
    table = TABLE_OF[unit]
    if not _is_any(connection, table, direction, state):
        return []
    heads = _lanes(table, direction, state)
    found = select(*(table.c[name] for name in _LANE[table.name])).join(heads, heads.c.key == table.c.key)
    return [tuple(row) for row in connection.execute(found)]


def _is_any(connection: Connection, table: Table, direction: Direction, state: State) -> bool:
    """Whether anything is in a state at all: mostly nothing is, and putting the real question together takes longer."""
    return connection.execute(_anything(table), {"state": state, "direction": direction}).first() is not None


@cache
def _anything(table: Table) -> Select[Any]:
    here = (table.c.state == bindparam("state"), table.c.direction == bindparam("direction"))
    return select(literal_column("1")).select_from(table).where(*here).limit(1)


def _free(direction: Direction, state: State, now: float, more: Where = lambda _rows: ()) -> Where:
    # The sum keeps SQLite from taking the index of what is due when, and sorting all of it for each lane.
    return lambda rows: (*_here(rows, direction, state), rows.c.due + 0.0 <= now, *more(rows))


def _of_each(table: Table, heads: CTE, where: Where, share: int) -> Select[Any]:
    """The first `share` rows of each lane that satisfy `where`."""
    head, waiting = table.alias("head"), table.alias("waiting")
    same = [waiting.c[name] == head.c[name] for name in _LANE[table.name]]
    first = select(waiting.c.key).where(*same, *where(waiting)).order_by(waiting.c.claims, waiting.c.key).limit(share)
    lane = heads.join(head, head.c.key == heads.c.key)
    return select(table).select_from(lane.join(table, table.c.key.in_(first.correlate(head))))


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
