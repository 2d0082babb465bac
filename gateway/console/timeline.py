"""Events of a story as pages tell them. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from gateway.administration.views.records import EventView
from gateway.administration.views.words import describe


@dataclass(frozen=True)
class TimelineItem:
    """What happened in a sentence, and who did it."""

    at: str
    words: str
    by: str


def timeline(events: Iterable[EventView]) -> list[TimelineItem]:
    """The events, in their order."""
    return [TimelineItem(event.at, describe(event.event, event.detail), event.role) for event in events]
