"""Servers of partners that have several, as the chain tells: one that began to fail, and that it works again. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import Connection, select

from gateway.ledger.tables import EVENTS

KIND: Final = "endpoint"
FAILED: Final = "endpoint.failed"
RECOVERED: Final = "endpoint.recovered"
_MOST_EVENTS: Final = 200
"""So many changes of the reason are followed back; `since` is then that of the oldest of them."""


@dataclass(frozen=True)
class FailingEndpoint:
    """A server that fails: HOST:PORT, why by code and reason, and since when (RFC 3339)."""

    address: str
    code: str
    reason: str
    since: str


def subject_of(partner: str, address: str) -> str:
    """What the chain calls one of a partner's servers."""
    return f"endpoint/{partner}/{address}"


def failing(connection: Connection, partner: str, addresses: Iterable[str]) -> Iterator[FailingEndpoint]:
    """Those of a partner's servers that failed when they were tried last."""
    for address in addresses:
        query = (
            select(EVENTS.c.event, EVENTS.c.at, EVENTS.c.detail)
            .where(EVENTS.c.subject == subject_of(partner, address), EVENTS.c.event.in_([FAILED, RECOVERED]))
            .order_by(EVENTS.c.sequence.desc())
            .limit(_MOST_EVENTS)
        )
        said: dict[str, Any] = {}
        since = ""
        for event, at, detail in connection.execute(query):
            if event == RECOVERED:
                break
            said, since = said or orjson.loads(detail), at
        if said:
            yield FailingEndpoint(address, said["code"], said["reason"], since)
