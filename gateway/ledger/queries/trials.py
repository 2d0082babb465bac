"""Trials of links, as the chain tells: each step is an event about the request that asked, each end one about the partner's link. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import orjson
from sqlalchemy import Connection, select

from gateway.ledger.tables import EVENTS

KIND: Final = "link"
STEPPED: Final = "link.stepped"
TRIED: Final = "link.tried"


@dataclass(frozen=True)
class Tried:
    """A trial that has ended: when (RFC 3339), by which request, who asked, `works` or `fails`, and of the latter code and reason."""

    at: str
    request: str
    actor: str
    outcome: str
    code: str | None = None
    reason: str | None = None


def subject_of(partner: str) -> str:
    """What the chain calls the link to a partner."""
    return f"link/{partner}"


def last_tried(connection: Connection, partner: str, limit: int) -> list[Tried]:
    """The last trials of the link to a partner, the newest first."""
    query = select(EVENTS.c.at, EVENTS.c.detail).where(EVENTS.c.subject == subject_of(partner), EVENTS.c.event == TRIED)
    rows = connection.execute(query.order_by(EVENTS.c.sequence.desc()).limit(limit))
    found = [(at, dict[str, Any](orjson.loads(detail))) for at, detail in rows]
    keys = ("request", "actor", "outcome", "code", "reason")
    return [Tried(at, *(said.get(key) for key in keys)) for at, said in found]  # type: ignore[arg-type] # absent are the last two
