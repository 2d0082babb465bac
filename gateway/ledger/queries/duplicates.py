"""What was submitted before: the same bytes, or the same message id in other bytes. Reads only; asked for whole batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from gateway.domain.states import Direction, State
from gateway.errors import ReceiptAwaited
from gateway.ledger.tables import TRANSFERS
from gateway.ledger.units import Transfer


def copies(connection: Connection, rows: Sequence[Transfer], since: Mapping[int, float]) -> dict[int, str]:
    """By the keys of outbound transfers, the id of the first one of the same bytes to the same partner that was submitted
    before it, and not before a moment (`since`, by key), and did not come back.
    """
    groups: dict[tuple[str, float], list[Transfer]] = {}
    for row in rows:
        if row.key in since:
            groups.setdefault((row.partner, since[row.key]), []).append(row)
    found: dict[int, int] = {}
    for (partner, moment), group in groups.items():
        query = (
            select(TRANSFERS.c.sha256, func.min(TRANSFERS.c.key))
            .where(
                TRANSFERS.c.partner == partner,
                TRANSFERS.c.sha256.in_(sorted({row.sha256 for row in group})),
                TRANSFERS.c.created >= moment,
                _outbound_and_not_back(),
            )
            .group_by(TRANSFERS.c.sha256)
        )
        first: dict[str, int] = {row[0]: row[1] for row in connection.execute(query)}
        found |= {row.key: first[row.sha256] for row in group if first.get(row.sha256, row.key) < row.key}
    return _ids(connection, found)


def messages(connection: Connection, rows: Sequence[Transfer], said: Mapping[int, str]) -> dict[int, str]:
    """By the keys of outbound transfers, the id of the first one of the same flow to the same partner that was submitted
    before it, carried the same message id in other bytes, and did not come back. `said` gives message ids by key.
    """
    groups: dict[tuple[str, str], list[Transfer]] = {}
    for row in rows:
        if row.key in said:
            groups.setdefault((row.partner, row.flow), []).append(row)
    found: dict[int, int] = {}
    for (partner, flow), group in groups.items():
        query = (
            select(TRANSFERS.c.message_id, TRANSFERS.c.sha256, func.min(TRANSFERS.c.key))
            .where(
                TRANSFERS.c.partner == partner,
                TRANSFERS.c.flow == flow,
                TRANSFERS.c.message_id.in_(sorted({said[row.key] for row in group})),
                _outbound_and_not_back(),
            )
            .group_by(TRANSFERS.c.message_id, TRANSFERS.c.sha256)
        )
        carried_by: dict[str, list[tuple[str, int]]] = {}
        for message, sha256, key in connection.execute(query):
            carried_by.setdefault(message, []).append((sha256, key))
        for row in group:
            others = carried_by.get(said[row.key], ())
            earlier = [key for sha256, key in others if sha256 != row.sha256 and key < row.key]
            if earlier:
                found[row.key] = min(earlier)
    return _ids(connection, found)


def _outbound_and_not_back() -> ColumnElement[bool]:
    came_back = [str(state) for state in (State.REJECTED, State.QUARANTINED, State.EXPIRED)]
    # After a restoration, what the partner has is `expired` until its receipt has come once more.
    there = or_(TRANSFERS.c.state.not_in(came_back), TRANSFERS.c.code == ReceiptAwaited.code)
    return and_(TRANSFERS.c.direction == str(Direction.OUT), there)


def _ids(connection: Connection, keys: Mapping[int, int]) -> dict[int, str]:
    """The same mapping, with the ids of the transfers that it leads to."""
    if not keys:
        return {}
    query = select(TRANSFERS.c.key, TRANSFERS.c.id).where(TRANSFERS.c.key.in_(sorted(set(keys.values()))))
    ids: dict[int, str] = {row[0]: row[1] for row in connection.execute(query)}
    return {key: ids[other] for key, other in keys.items()}
