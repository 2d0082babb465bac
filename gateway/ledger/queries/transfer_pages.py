"""Transfers page by page, for lists of any depth. Reads only.

A page begins after a row of the one before, so that the thousandth costs what the first one costs. The order is by age (the row's key, which
grows with it) or by name: both are an index. What is meant is picked out of windows of so many rows in that order, and a page looks
through a limited number of windows: where hardly anything is meant, it ends early and says how far it looked, and the next page looks on. Where
an index leads to few transfers (of a state, a direction, a partner) it is asked instead.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Final, Self

from sqlalchemy import Connection, Select, and_, func, or_, select

from gateway.domain.states import Direction, State
from gateway.ledger.queries.overview import Meant
from gateway.ledger.tables import TRANSFERS
from gateway.ledger.units import Transfer

_WINDOWS: Final = (500, *[20_000] * 4)
"""Rows that are looked through at once, one window after the other: less than a tenth of a second. The first is enough for most pages."""
_FEW: Final = 5_000


@dataclass(frozen=True)
class Place:
    """Where a page begins or ends: a row's key, and its name where names order the list."""

    key: int
    name: str = ""


@dataclass(frozen=True)
class Scope:
    """Whose list it is: of these flows and, unless None, these partners alone. What is outside of it is not there."""

    flows: frozenset[str]
    partners: frozenset[str] | None = None


@dataclass(frozen=True)
class Order:
    """How a list is ordered."""

    by_name: bool = False
    descending: bool = True

    def place_of(self, row: Transfer) -> Place:
        """Where a row stands."""
        return Place(row.key, row.name if self.by_name else "")


@dataclass(frozen=True)
class _Wanted:
    """What is meant, in one of these states where there are some, and whose list it is."""

    meant: Meant
    states: tuple[str, ...]
    scope: Scope | None

    @classmethod
    def of(cls, meant: Meant, states: Collection[State], scope: Scope | None) -> Self:
        state = meant.get("state")
        return cls(meant, tuple(map(str, states)) or (() if state is None else (state,)), scope)


@dataclass(frozen=True)
class TransferPage:
    """Rows in the list's order. Another page begins before `before` and one after `after`; None at either end of the list. Where
    `looked_on` holds, the page ended because enough was looked through.
    """

    rows: list[Transfer]
    before: Place | None
    after: Place | None
    looked_on: bool


def page(
    connection: Connection,
    order: Order,
    limit: int,
    *,
    after: Place | None = None,
    before: Place | None = None,
    meant: Meant | None = None,
    states: Collection[State] = (),
    scope: Scope | None = None,
) -> TransferPage:
    """At most `limit` rows after a place, or before one; the first where neither is given. `states`, where there are some, stand for a state
    of `meant`.
    """
    backward = before is not None
    start = before if backward else after
    walk = Order(order.by_name, order.descending != backward)
    found, end = _walk(connection, walk, limit + 1, start, _Wanted.of(meant or Meant(), states, scope))
    more, rows = len(found) > limit, found[:limit]
    further = walk.place_of(rows[-1]) if more else end
    nearer = None if start is None else walk.place_of(rows[0]) if rows else start
    if backward:
        return TransferPage(rows[::-1], further, nearer, end is not None and not more)
    return TransferPage(rows, nearer, further, end is not None and not more)


def _walk(
    connection: Connection, order: Order, limit: int, start: Place | None, wanted: _Wanted
) -> tuple[list[Transfer], Place | None]:
    """At most `limit` rows from a place on, and where the look ended if that is not the list's end."""
    if _is_rare(connection, wanted):
        few = select(TRANSFERS).where(TRANSFERS.c.key.in_(_led_to(wanted)), *_conditions(wanted))
        return [Transfer._make(row) for row in connection.execute(_ordered(few, order, start).limit(limit))], None
    found: list[Transfer] = []
    for rows in _WINDOWS:
        end = _last(connection, order, start, rows)
        window = select(TRANSFERS).where(*_conditions(wanted))
        if end is not None:
            window = window.where(_until(order, end))
        query = _ordered(window, order, start).limit(limit - len(found))
        found += map(Transfer._make, connection.execute(query))
        if len(found) >= limit or end is None:
            return found, None
        start = end
    return found, start


def _last(connection: Connection, order: Order, start: Place | None, rows: int) -> Place | None:
    """The last row of a window of so many; None where the list ends in it."""
    query = _ordered(select(TRANSFERS.c.key, TRANSFERS.c.name), order, start)
    row = connection.execute(query.limit(1).offset(rows - 1)).first()
    return None if row is None else Place(row.key, row.name if order.by_name else "")


def _is_rare(connection: Connection, wanted: _Wanted) -> bool:
    """Whether an index leads to few transfers: then it is quicker than looking through all there are."""
    if not wanted.states and all(wanted.meant.get(name) is None for name in ("direction", "partner")):
        return False
    few = _led_to(wanted).limit(_FEW).subquery()
    return connection.execute(select(func.count()).select_from(few)).scalar_one() < _FEW


def _led_to(wanted: _Wanted) -> Select[Any]:
    """The keys of the transfers that an index leads to: the one of lanes where a state is meant, the one of ids otherwise. The conditions are on
    its first columns alone, so nothing beside these rows is read.
    """
    meant, names = wanted.meant, ("partner", "flow") if wanted.states else ("partner",)
    directions = list(map(str, Direction)) if meant.get("direction") is None else [meant.get("direction")]
    query = select(TRANSFERS.c.key).where(TRANSFERS.c.direction.in_(directions))
    if wanted.states:
        query = query.where(TRANSFERS.c.state.in_(wanted.states))
    for name in names:
        if meant.get(name) is None:
            break
        query = query.where(TRANSFERS.c[name] == meant.get(name))
    return query


def _until(order: Order, end: Place) -> Any:
    """A row that stands no later than a place."""
    key, name = TRANSFERS.c.key, TRANSFERS.c.name
    near = key >= end.key if order.descending else key <= end.key
    if not order.by_name:
        return near
    nearer = name > end.name if order.descending else name < end.name
    return and_(name >= end.name if order.descending else name <= end.name, or_(nearer, near))


def _ordered(query: Select[Any], order: Order, start: Place | None) -> Select[Any]:
    key, name = TRANSFERS.c.key, TRANSFERS.c.name
    by = [name, key] if order.by_name else [key]
    if start is not None:
        later = key < start.key if order.descending else key > start.key
        if order.by_name:
            beyond = name < start.name if order.descending else name > start.name
            within = name <= start.name if order.descending else name >= start.name
            later = and_(within, or_(beyond, later))
        query = query.where(later)
    return query.order_by(*(column.desc() if order.descending else column.asc() for column in by))


def _conditions(wanted: _Wanted) -> list[Any]:
    """What is meant. An expression keeps SQLite from an index that would lead it to half of the table."""
    meant, scope, columns = wanted.meant, wanted.scope, TRANSFERS.c
    equal = {name: meant.get(name) for name in ("direction", "partner", "flow")}
    found = [columns[name].concat("") == value for name, value in equal.items() if value is not None]
    if wanted.states:
        found.append(columns.state.concat("").in_(wanted.states))
    if (since := meant.get("since")) is not None:
        found.append(columns.created + 0.0 >= since)
    if (before := meant.get("before")) is not None:
        found.append(columns.created + 0.0 < before)
    if scope is not None:
        found.append(columns.flow.concat("").in_(sorted(scope.flows)))
        if scope.partners is not None:
            found.append(columns.partner.concat("").in_(sorted(scope.partners)))
    return found
