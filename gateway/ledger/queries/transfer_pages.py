"""Transfers page by page, for lists of any depth. Reads only.

A page begins after a row of the one before, so that the thousandth costs what the first one costs. The order is by age (the row's key, which
grows with it) or by name: both are an index. What is meant is picked out of windows of so many rows in that order, and a page looks
through a limited number of windows: where hardly anything is meant, it ends early and says how far it looked, and the next page looks on. States
that few transfers are in are asked for by their own index instead.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Select, and_, func, or_, select

from gateway.ledger.queries.overview import MOST_ARE_IN, Meant
from gateway.ledger.tables import TRANSFERS
from gateway.ledger.units import Transfer

_WINDOW: Final = 20_000
_WINDOWS: Final = 4
"""Rows that are looked through at once, and how often: less than a tenth of a second."""
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
    scope: Scope | None = None,
) -> TransferPage:
    """At most `limit` rows after a place, or before one; the first where neither is given."""
    backward = before is not None
    start = before if backward else after
    walk = Order(order.by_name, order.descending != backward)
    found, end = _walk(connection, walk, limit + 1, start, meant or Meant(), scope)
    more, rows = len(found) > limit, found[:limit]
    further = walk.place_of(rows[-1]) if more else end
    nearer = None if start is None else walk.place_of(rows[0]) if rows else start
    if backward:
        return TransferPage(rows[::-1], further, nearer, end is not None and not more)
    return TransferPage(rows, nearer, further, end is not None and not more)


def _walk(
    connection: Connection, order: Order, limit: int, start: Place | None, meant: Meant, scope: Scope | None
) -> tuple[list[Transfer], Place | None]:
    """At most `limit` rows from a place on, and where the look ended if that is not the list's end."""
    if _is_rare(connection, meant.get("state")):
        query = _ordered(
            select(TRANSFERS).where(*_conditions(TRANSFERS.c, meant, scope, seek=True)), TRANSFERS.c, order, start
        )
        return [Transfer._make(row) for row in connection.execute(query.limit(limit))], None
    found: list[Transfer] = []
    for _ in range(_WINDOWS):
        window = _ordered(select(TRANSFERS), TRANSFERS.c, order, start).limit(_WINDOW).subquery()
        wanted = select(window).where(*_conditions(window.c, meant, scope, seek=False)).limit(limit - len(found))
        found += map(Transfer._make, connection.execute(wanted))
        if len(found) >= limit:
            return found, None
        start = _last(connection, order, start)
        if start is None:
            return found, None
    return found, start


def _last(connection: Connection, order: Order, start: Place | None) -> Place | None:
    """The last row of a window; None where the list ends in it."""
    query = _ordered(select(TRANSFERS.c.key, TRANSFERS.c.name), TRANSFERS.c, order, start)
    row = connection.execute(query.limit(1).offset(_WINDOW - 1)).first()
    return None if row is None else Place(row.key, row.name if order.by_name else "")


def _is_rare(connection: Connection, state: str | None) -> bool:
    """Whether few transfers are in a state: then its index is quicker than looking through all there are."""
    if state is None or state in MOST_ARE_IN:
        return False
    few = select(TRANSFERS.c.key).where(TRANSFERS.c.state == state).limit(_FEW).subquery()
    return connection.execute(select(func.count()).select_from(few)).scalar_one() < _FEW


def _ordered(query: Select[Any], columns: Any, order: Order, start: Place | None) -> Select[Any]:
    key, name = columns.key, columns.name
    by = [name, key] if order.by_name else [key]
    if start is not None:
        later = key < start.key if order.descending else key > start.key
        if order.by_name:
            beyond = name < start.name if order.descending else name > start.name
            within = name <= start.name if order.descending else name >= start.name
            later = and_(within, or_(beyond, later))
        query = query.where(later)
    return query.order_by(*(column.desc() if order.descending else column.asc() for column in by))


def _conditions(columns: Any, meant: Meant, scope: Scope | None, *, seek: bool) -> list[Any]:
    """What is meant. An expression keeps SQLite from an index that would lead it to half of the table."""
    equal = {name: meant.get(name) for name in ("direction", "partner", "flow")}
    found = [columns[name].concat("") == value for name, value in equal.items() if value is not None]
    if (state := meant.get("state")) is not None:
        found.append((columns.state if seek else columns.state.concat("")) == state)
    if (since := meant.get("since")) is not None:
        found.append(columns.created + 0.0 >= since)
    if (before := meant.get("before")) is not None:
        found.append(columns.created + 0.0 < before)
    if scope is not None:
        found.append(columns.flow.concat("").in_(sorted(scope.flows)))
        if scope.partners is not None:
            found.append(columns.partner.concat("").in_(sorted(scope.partners)))
    return found
