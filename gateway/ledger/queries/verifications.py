"""Verifications that people of the console asked for, as the chain has them. Reads only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import orjson
from sqlalchemy import Connection, select

from gateway.ledger.tables import EVENTS

VERIFIED: Final = "verification.passed"
FAULTED: Final = "verification.failed"
SUBJECT: Final = "verification"
"""What both are about: the index of subjects finds them in a chain of any length."""


@dataclass(frozen=True)
class Verification:
    """The event's number, when (RFC 3339), who asked; the events that were verified, and the head; how many faults, the first in words;
    and the areas (`ledger.audit.files.Area`) whose files were not compared.
    """

    sequence: int
    at: str
    actor: str
    events: int
    head: str
    faults: int
    first: str | None
    unseen: tuple[str, ...]


def page(connection: Connection, limit: int, before: int | None = None) -> list[Verification]:
    """At most `limit` verifications, the newest first; those from before an event where it is named."""
    query = select(EVENTS.c.sequence, EVENTS.c.at, EVENTS.c.detail).where(
        EVENTS.c.subject == SUBJECT, EVENTS.c.event.in_([VERIFIED, FAULTED])
    )
    if before is not None:
        query = query.where(EVENTS.c.sequence < before)
    rows = connection.execute(query.order_by(EVENTS.c.sequence.desc()).limit(limit))
    return [_read(sequence, at, text) for sequence, at, text in rows]


def _read(sequence: int, at: str, text: str) -> Verification:
    """What the event says; of one that somebody edited, what is left of it."""
    try:
        detail = orjson.loads(text)
    except orjson.JSONDecodeError:
        detail = {}
    match detail:
        case {
            "actor": str(actor),
            "until": int(events),
            "sha256": str(head),
            "findings": int(faults),
            "first": [*first],
            "unseen": [*unseen],
        }:
            words = next(map(str, first), None)
            return Verification(sequence, at, actor, events, head, faults, words, tuple(map(str, unseen)))
    return Verification(sequence, at, "?", 0, "", 1, "chain: this event was altered", ())
