"""What there is, for people who look: transfers by what they are, counts, what waits for a decision. Reads only."""

from __future__ import annotations

from sqlalchemy import Connection, func, select

from gateway.domain.states import Direction, State
from gateway.ledger.store import TABLES
from gateway.ledger.tables import TRANSFERS
from gateway.ledger.units import TABLE_OF, AnyUnit, Consignment, Receipt, Transfer, Unit


def transfers(
    connection: Connection,
    *,
    direction: str | None = None,
    partner: str | None = None,
    flow: str | None = None,
    state: str | None = None,
    since: float | None = None,
    limit: int | None = None,
) -> list[Transfer]:
    """Transfers that match every given word, the newest first."""
    query = select(TRANSFERS).order_by(TRANSFERS.c.key.desc())
    for column, wanted in (("direction", direction), ("partner", partner), ("flow", flow), ("state", state)):
        if wanted is not None:
            query = query.where(TRANSFERS.c[column] == wanted)
    if since is not None:
        query = query.where(TRANSFERS.c.created >= since)
    return [Transfer._make(row) for row in connection.execute(query if limit is None else query.limit(limit))]


def count_transfers(
    connection: Connection,
    *,
    direction: str | None = None,
    partner: str | None = None,
    flow: str | None = None,
    state: str | None = None,
    since: float | None = None,
) -> int:
    """How many transfers match every given word; the words are those of `transfers`."""
    query = select(func.count()).select_from(TRANSFERS)
    for column, wanted in (("direction", direction), ("partner", partner), ("flow", flow), ("state", state)):
        if wanted is not None:
            query = query.where(TRANSFERS.c[column] == wanted)
    if since is not None:
        query = query.where(TRANSFERS.c.created >= since)
    return connection.execute(query).scalar_one()


def counts(connection: Connection) -> dict[tuple[str, str, str], int]:
    """How many of each kind are in each state: (kind, direction, state) to a number."""
    found: dict[tuple[str, str, str], int] = {}
    for kind, table in TABLES.items():
        query = select(table.c.direction, table.c.state, func.count()).group_by(table.c.direction, table.c.state)
        for direction, state, number in connection.execute(query):
            found[kind, str(direction), str(state)] = number
    return found


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
        TRANSFERS.c.state.in_(map(str, waiting)), TRANSFERS.c.direction == str(Direction.OUT)
    )
    found = connection.execute(query.order_by(TRANSFERS.c.created).limit(1)).first()
    return None if found is None else Transfer._make(found)
