"""What there is, for people who look: transfers by what they are, counts, what waits for a decision. Reads only."""

from __future__ import annotations

from typing import Final, TypedDict, Unpack

from sqlalchemy import ColumnElement, Connection, func, select

from gateway.domain.states import Direction, State
from gateway.ledger.store import TABLES
from gateway.ledger.tables import TRANSFERS
from gateway.ledger.units import TABLE_OF, AnyUnit, Consignment, Receipt, Transfer, Unit

MOST_ARE_IN: Final = (State.RECEIPTED, State.DELIVERED, State.INGESTED)
"""The states that nearly all transfers there ever were are in."""


class Meant(TypedDict, total=False):
    """Which transfers are meant; None does not restrict. `since` and `before` are about `created`, in seconds since 1970."""

    direction: str | None
    partner: str | None
    flow: str | None
    state: str | None
    since: float | None
    before: float | None


def transfers(connection: Connection, *, limit: int | None = None, **meant: Unpack[Meant]) -> list[Transfer]:
    """The transfers that are meant, the newest first."""
    query = select(TRANSFERS).where(*_where(meant))
    if _walks(meant):
        query = query.order_by(TRANSFERS.c.created.desc())
    query = query.order_by(TRANSFERS.c.key.desc())
    return [Transfer._make(row) for row in connection.execute(query if limit is None else query.limit(limit))]


def count_transfers(connection: Connection, **meant: Unpack[Meant]) -> int:
    """How many transfers are meant."""
    return connection.execute(select(func.count()).select_from(TRANSFERS).where(*_where(meant))).scalar_one()


def _is_timed(meant: Meant) -> bool:
    return meant.get("since") is not None or meant.get("before") is not None


def _walks(meant: Meant) -> bool:
    """Whether the index of age finds what is meant: every other one would lead to most of what there is."""
    return _is_timed(meant) and meant.get("partner") is None and meant.get("state") in (None, *MOST_ARE_IN)


def _where(meant: Meant) -> list[ColumnElement[bool]]:
    """The conditions. One that would lead SQLite to an index that fits worse is hidden from it in an expression."""
    by_partner, state = meant.get("partner") is not None, meant.get("state")
    by_state = state is not None and not (_is_timed(meant) and state in MOST_ARE_IN)
    seeks = {"partner": True, "state": by_state, "direction": by_state, "flow": by_state or by_partner}
    wanted = {name: meant.get(name) for name in seeks}
    found = [
        (TRANSFERS.c[name] if seeks[name] else TRANSFERS.c[name].concat("")) == value
        for name, value in wanted.items()
        if value is not None
    ]
    created = TRANSFERS.c.created if _walks(meant) else TRANSFERS.c.created + 0.0
    if (since := meant.get("since")) is not None:
        found.append(created >= since)
    if (before := meant.get("before")) is not None:
        found.append(created < before)
    return found


def counts(connection: Connection) -> dict[tuple[str, str, str], int]:
    """How many of each kind are in each state: (kind, direction, state) to a number."""
    found: dict[tuple[str, str, str], int] = {}
    for kind, table in TABLES.items():
        query = select(table.c.direction, table.c.state, func.count()).group_by(table.c.direction, table.c.state)
        for direction, state, number in connection.execute(query):
            found[kind, str(direction), str(state)] = number
    return found


def count_unconfirmed(connection: Connection) -> int:
    """How many transfers have ended at `sent`, since their partner has no gateway (`Transfer.is_unconfirmed`)."""
    query = select(func.count()).where(
        TRANSFERS.c.state == str(State.SENT),
        TRANSFERS.c.direction == str(Direction.OUT),
        TRANSFERS.c.expires.is_(None),
    )
    return connection.execute(query).scalar_one()


def held(connection: Connection, unit: type[AnyUnit]) -> list[AnyUnit]:
    """What of a kind waits for a person's decision, the oldest first."""
    table = TABLE_OF[unit]
    query = select(table).where(table.c.state == str(State.HELD)).order_by(table.c.key)
    return [unit._make(row) for row in connection.execute(query)]


def all_held(connection: Connection) -> list[Unit]:
    """What waits for a person's decision: transfers, consignments, then receipts, of each the oldest first."""
    return [*held(connection, Transfer), *held(connection, Consignment), *held(connection, Receipt)]


def oldest_waiting(connection: Connection) -> Transfer | None:
    """The submitted transfer that has waited longest for its receipt."""
    waiting = [State.ADMITTED, State.VALIDATED, State.PACKED, State.SEALED, State.SENT, State.HELD]
    query = select(TRANSFERS).where(
        TRANSFERS.c.state.in_(map(str, waiting)),
        TRANSFERS.c.direction == str(Direction.OUT),
        TRANSFERS.c.expires.is_not(None),  # else none will come
    )
    found = connection.execute(query.order_by(TRANSFERS.c.created).limit(1)).first()
    return None if found is None else Transfer._make(found)
