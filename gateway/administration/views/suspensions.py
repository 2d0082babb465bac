"""How it came that somebody was suspended: when, by whom, and why, or by which incident. Raises what the ledger raises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.administration.views.records import events
from gateway.domain.identity import is_id
from gateway.ledger.people import KIND
from gateway.ledger.queries.events import events_of
from gateway.ledger.store import Connection

_EVENT: Final = "person.suspended"


@dataclass(frozen=True)
class Suspension:
    """When it was (RFC 3339, UTC). `reason` is empty where it was erased; `incident` is its id, where one suspends whom it is about."""

    at: str
    actor: str
    reason: str
    incident: str | None


def suspensions(connection: Connection, user: str) -> list[Suspension]:
    """Those of one person that the chain has, in order."""
    rows = [row for row in events_of(connection, [user]) if row.kind == KIND and row.event == _EVENT]
    found = []
    for each in events(connection, rows):
        reason = str(each.detail.get("reason", ""))
        word, _, identity = reason.partition(" ")  # as `ledger.incidents.open_incident` gives it
        incident = identity if word == "incident" and is_id(identity) else None
        found.append(Suspension(each.at, str(each.detail.get("actor", "")), reason, incident))
    return found
