"""Units by their ids and keys, and the one that a person means by the first characters of an id. Reads only."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cache
from typing import Any, Final, TypeVar

from sqlalchemy import Column, ColumnElement, Connection, Table, func, select, union
from sqlalchemy.sql.expression import CTE

from gateway.domain.states import Direction, State
from gateway.errors import NotFound
from gateway.ledger.tables import TRANSFERS
from gateway.ledger.units import TABLE_OF, Consignment, Identified, Transfer, Unit

_LIST: Final = 500
"""Values in one list of a query: SQLite bounds them."""

_LAST: Final = "\U0010ffff"
"""What comes after every other character."""

_Found = TypeVar("_Found")


def one(
    connection: Connection, unit: type[Identified], direction: Direction, partner: str, identity: str
) -> Identified | None:
    """The transfer or consignment of that id."""
    table = TABLE_OF[unit]
    found = connection.execute(
        select(table).where(table.c.direction == str(direction), table.c.partner == partner, table.c.id == identity)
    ).first()
    return None if found is None else unit._make(found)


def matching(connection: Connection, unit: type[Identified], prefix: str, most: int = 5) -> list[Identified]:
    """Units whose id starts with `prefix`, which is not empty; at most a few, for telling whether it is unique."""
    table = TABLE_OF[unit]
    found: list[Identified] = []
    for direction in Direction:
        # A seek for each partner: the index has the ids behind direction and partner.
        query = select(table).where(
            table.c.direction == str(direction),
            table.c.partner.in_(select(partners(table, direction).c.partner)),
            *begins(table.c.id, prefix.lower()),
        )
        found += map(unit._make, connection.execute(query.limit(most)))
    return found[:most]


def begins(column: Column[Any], prefix: str) -> tuple[ColumnElement[bool], ...]:
    """The condition that a text starts with `prefix`, so that an index on it is used."""
    return column >= prefix, column < prefix + _LAST


@cache
def partners(table: Table, direction: Direction) -> CTE:
    """The partners of a table's rows of one direction: a seek for each, from one to the next. The last row is NULL."""
    here = table.c.direction == str(direction)
    first = select(func.min(table.c.partner).label("partner")).where(here)
    found = first.cte(f"{direction}_{table.name}_partners", recursive=True)
    following = table.alias("following")
    after = (following.c.direction == str(direction), following.c.partner > found.c.partner)
    step = select(func.min(following.c.partner)).where(*after).correlate(found).scalar_subquery()
    return found.union_all(select(step).where(found.c.partner.is_not(None)))


def find(connection: Connection, prefix: str) -> Transfer | Consignment:
    """The one transfer or consignment whose id starts with `prefix`; NotFound where none has, or more than one."""
    found: list[Transfer | Consignment] = []
    if prefix:
        found = [*matching(connection, Transfer, prefix), *matching(connection, Consignment, prefix)]
    return _only(prefix, found)


def find_transfer(connection: Connection, prefix: str) -> Transfer:
    """The one transfer whose id starts with `prefix`; NotFound where none has, or more than one."""
    return _only(prefix, matching(connection, Transfer, prefix) if prefix else [])


def _only(prefix: str, found: Sequence[_Found]) -> _Found:
    if not found:
        raise NotFound(f"nothing has an id that starts with {prefix[:40]!r}")
    if len(found) > 1:
        raise NotFound(f"more than one id starts with {prefix[:40]!r}: give more of it")
    return found[0]


def named_so(connection: Connection, name: str, most: int) -> list[Transfer]:
    """The transfers of exactly that name, or that were delivered under it; the newest first."""
    if not name:
        return []
    keys = union(
        select(TRANSFERS.c.key).where(TRANSFERS.c.name == name),
        select(TRANSFERS.c.key).where(TRANSFERS.c.delivered_name.is_not(None), TRANSFERS.c.delivered_name == name),
    )
    query = select(TRANSFERS).where(TRANSFERS.c.key.in_(keys)).order_by(TRANSFERS.c.key.desc())
    return [Transfer._make(row) for row in connection.execute(query.limit(most))]


def by_ids(connection: Connection, direction: Direction, ids: Sequence[str]) -> list[Transfer]:
    """The transfers of these ids, in the order in which they came; asked for in groups, since SQLite bounds a list."""
    found: list[Transfer] = []
    for start in range(0, len(ids), _LIST):
        query = select(TRANSFERS).where(
            TRANSFERS.c.direction == str(direction), TRANSFERS.c.id.in_(ids[start : start + _LIST])
        )
        found += map(Transfer._make, connection.execute(query.order_by(TRANSFERS.c.key)))
    return found


def by_keys(connection: Connection, keys: Sequence[int]) -> list[Transfer]:
    """The transfers of these keys."""
    found = []
    for start in range(0, len(keys), _LIST):
        rows = connection.execute(select(TRANSFERS).where(TRANSFERS.c.key.in_(keys[start : start + _LIST])))
        found += [Transfer._make(row) for row in rows]
    return found


def digests(connection: Connection, direction: Direction, partner: str, ids: Sequence[str]) -> dict[str, str]:
    """The SHA-256 of those of these transfers from or to a partner, by their ids."""
    found: dict[str, str] = {}
    for start in range(0, len(ids), _LIST):
        query = select(TRANSFERS.c.id, TRANSFERS.c.sha256).where(
            TRANSFERS.c.direction == str(direction),
            TRANSFERS.c.partner == partner,
            TRANSFERS.c.id.in_(ids[start : start + _LIST]),
        )
        found |= {row.id: row.sha256 for row in connection.execute(query)}
    return found


def state_of(connection: Connection, unit: type[Unit], key: int) -> State | None:
    """The state that a row is in now."""
    table = TABLE_OF[unit]
    return connection.execute(select(table.c.state).where(table.c.key == key)).scalar()


def placed(connection: Connection, ids: Collection[str]) -> frozenset[tuple[str, str]]:
    """Those of these inbound transfers that are about to be delivered from a copy, each with the copy's owner."""
    query = select(TRANSFERS.c.id, TRANSFERS.c.node).where(
        TRANSFERS.c.id.in_(list(ids)),
        TRANSFERS.c.direction == str(Direction.IN),
        TRANSFERS.c.state == str(State.OPENED),
        TRANSFERS.c.node.is_not(None),
    )
    return frozenset((row.id, row.node) for row in connection.execute(query))


def unplaced(connection: Connection, keys: Sequence[int]) -> frozenset[int]:
    """Those of these inbound transfers that are opened still, and of which nobody's copy is about to be delivered."""
    found: set[int] = set()
    for start in range(0, len(keys), _LIST):
        query = select(TRANSFERS.c.key).where(
            TRANSFERS.c.key.in_(keys[start : start + _LIST]),
            TRANSFERS.c.state == str(State.OPENED),
            TRANSFERS.c.node.is_(None),
        )
        found |= set(connection.execute(query).scalars())
    return frozenset(found)


def in_state(connection: Connection, unit: type[Unit], state: State, keys: Sequence[int]) -> frozenset[int]:
    """Those of these keys whose rows are in that state now."""
    table = TABLE_OF[unit]
    found: set[int] = set()
    for start in range(0, len(keys), _LIST):
        query = select(table.c.key).where(table.c.key.in_(keys[start : start + _LIST]), table.c.state == str(state))
        found |= set(connection.execute(query).scalars())
    return frozenset(found)
