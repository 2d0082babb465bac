"""Units that wait since the site's store has lost a file of theirs, or has other bytes for it. Reads only."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import Connection, Table, select

from gateway.domain.identity import to_text
from gateway.domain.states import Direction, State
from gateway.errors import StoreFileLost
from gateway.ledger.commitment import NOUN
from gateway.ledger.tables import CONSIGNMENTS, EVENTS, RECEIPTS, TRANSFERS

ENDED: Final = (State.RECEIPTED, State.INGESTED, State.REJECTED, State.QUARANTINED, State.EXPIRED)
"""States in which a transfer has ended: its code and reason are what it ended with, and stay."""
_WAITING: Final = {
    TRANSFERS: (State.ADMITTED, State.OPENED),
    CONSIGNMENTS: (State.PACKED, State.SEALED, State.LANDED, State.OPENED),
    RECEIPTS: (State.SEALED, State.LANDED),
}
"""States in which a file is needed next."""
_DEFERRED: Final = "work.deferred"
_MOST: Final = 1000


class LostFile(NamedTuple):
    """A unit whose file is lost, by what the chain calls it: how often that was found, why, and since when (RFC 3339)."""

    kind: str
    subject: str
    times: int
    reason: str
    since: str


def lost_files(connection: Connection, partner: str) -> list[LostFile]:
    """All units of a partner that wait for files which the store has lost, those that wait longest first."""
    rows = chain(_waiting(connection, partner), _ended(connection, partner))
    found = [_lost(connection, *row) for row in rows]
    if (arrivals := lost_arrivals(connection, partner)) is not None:
        found.append(arrivals)
    return sorted(found, key=lambda each: each.since)


def arrivals_of(partner: str) -> str:
    """What the chain calls messages of a partner that landed at another node, and have no rows yet."""
    return f"{partner}/arrivals"


def lost_arrivals(connection: Connection, partner: str) -> LostFile | None:
    """That some of them cannot be brought to the node that is to record them."""
    told = list(_deferrals(connection, "lane", arrivals_of(partner)))
    return LostFile("lane", arrivals_of(partner), 1, told[0][1], told[-1][0]) if told else None


def _waiting(connection: Connection, partner: str) -> Iterator[tuple[str, str, float, int, str]]:
    for table, states in _WAITING.items():
        query = select(*_columns(table)).where(
            table.c.state.in_(map(str, states)),
            table.c.direction.in_(map(str, Direction)),  # the index is by state and direction
            table.c.partner == partner,
            table.c.code == StoreFileLost.code,
        )
        for subject, created, attempts, reason in map(tuple, connection.execute(query)):
            yield NOUN[table.name], subject, created, attempts, reason or ""


def _ended(connection: Connection, partner: str) -> Iterator[tuple[str, str, float, int, str]]:
    """Those that have ended, and whose operators are to get a file back, or a list beside a receipt: the chain says why they wait."""
    query = select(*_columns(TRANSFERS)).where(
        TRANSFERS.c.state.in_(map(str, ENDED)),
        TRANSFERS.c.direction == str(Direction.OUT),
        TRANSFERS.c.partner == partner,
        TRANSFERS.c.custody.is_(True) | TRANSFERS.c.notify_pending.is_(True),
        TRANSFERS.c.attempts > 0,
    )
    for subject, created, attempts, _ in map(tuple, connection.execute(query)):
        last = next(_deferrals(connection, "transfer", subject), None)
        if last is not None:
            yield "transfer", subject, created, attempts, last[1]


def _columns(table: Table) -> list[Any]:
    subject = table.c.consignment if table is RECEIPTS else table.c.id
    return [subject, table.c.created, table.c.attempts, table.c.reason]


def _lost(connection: Connection, kind: str, subject: str, created: float, attempts: int, reason: str) -> LostFile:
    since = to_text(created)
    for at, _ in _deferrals(connection, kind, subject):
        since = at
    return LostFile(kind, subject, max(attempts, 1), reason, since)


def _deferrals(connection: Connection, kind: str, subject: str) -> Iterator[tuple[str, str]]:
    """When and why a unit was put off for this last, and before that without a break."""
    query = (
        select(EVENTS.c.event, EVENTS.c.at, EVENTS.c.detail)
        .where(EVENTS.c.subject == subject, EVENTS.c.kind == kind)
        .order_by(EVENTS.c.sequence.desc())
        .limit(_MOST)
    )
    for event, at, detail in connection.execute(query):
        told = orjson.loads(detail)
        if event != _DEFERRED or told.get("code") != StoreFileLost.code:
            return
        yield at, told.get("reason", "")
