"""What was locked away. Raises NotFound where an id names none of it, or more than one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from gateway.administration.views.records import EventView, QuarantinedView, events, quarantined
from gateway.ledger.queries import quarantine as locked_away
from gateway.ledger.queries.events import events_of
from gateway.ledger.store import Connection
from gateway.settings.model import Settings

UNNAMED: Final = "unnamed"
"""The subject of events about what came with an id that is none: `files` in their detail says what."""


@dataclass(frozen=True)
class QuarantineStory(QuarantinedView):
    """A quarantined file, where it lies (None once it is gone), and what happened to what it came as."""

    file: str | None
    events: tuple[EventView, ...]


def quarantine(connection: Connection, *, discarded: bool = False) -> Sequence[QuarantinedView]:
    """What is locked away, the newest last; with `discarded`, what was discarded too."""
    return [quarantined(row) for row in reversed(locked_away.quarantined(connection, discarded=discarded))]


def one(connection: Connection, identity: str) -> QuarantinedView:
    """The one whose id, or whose consignment's id, starts so."""
    return quarantined(locked_away.find_quarantined(connection, identity))


def story(settings: Settings, connection: Connection, identity: str) -> QuarantineStory:
    """All about one quarantined file."""
    row = locked_away.find_quarantined(connection, identity)
    kept = locked_away.kept_file(settings.home, row)
    found = events(connection, events_of(connection, [row.consignment, row.id, UNNAMED]))
    return QuarantineStory(
        **vars(quarantined(row)),
        file=str(kept) if kept.is_file() else None,
        events=tuple(
            each
            for each in found
            if each.partner == row.partner and (each.subject != UNNAMED or row.id in each.detail.get("files", ()))
        ),
    )
