"""What a notice has to tell, from the events of the chain. Reads only; raises what the ledger raises.

A code or a partner that is not on our lists is left out: a partner's receipt has codes that the partner chose, and an event may
be about somebody whom nobody knows.
"""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from gateway.administration.notify.notice import MOST_LINES, Line
from gateway.errors.disposition import remedies
from gateway.events import BY_NAME, Event
from gateway.flows.routes import WAYS
from gateway.ledger.audit.chain import loaded
from gateway.ledger.commitment import COMMITTED
from gateway.ledger.queries.events import first_named, flows_of, some_named
from gateway.ledger.store import Connection
from gateway.settings.notify import Channel

_LEVELS: Final = ("info", "warning", "error")
_CHUNK: Final = 1000


class Told(NamedTuple):
    """What a notice says: its lines, the worst and then the first to happen first, and how many events are in none of them."""

    lines: tuple[Line, ...]
    more: int


def events_for(channel: Channel, *, urgent: bool) -> tuple[str, ...]:
    """The names of the events that a channel asks for: the errors among them, or all others."""
    return tuple(
        event.value
        for event in Event
        if (event.level == "error") is urgent
        and event.value != COMMITTED
        and _LEVELS.index(event.level) >= _LEVELS.index(channel.level)
        and any(fnmatchcase(event.value, pattern) for pattern in channel.events)
    )


def first_after(connection: Connection, names: Iterable[str], after: int) -> str | None:
    """When the first of these events happened after that number (RFC 3339); None where none did."""
    entry = first_named(connection, tuple(names), after)
    return None if entry is None else entry.at


def gather(connection: Connection, names: Iterable[str], partners: Iterable[str], after: int, until: int) -> Told:
    """The events of these names between two numbers, the second included, as a notice tells them."""
    known, asked = frozenset(partners), tuple(names)
    found: dict[tuple[str, str | None, str | None], Line] = {}
    more = 0
    while entries := some_named(connection, asked, after, until, _CHUNK):
        after = entries[-1].sequence
        about = flows_of(connection, entries)
        for entry in entries:
            detail = loaded(entry.detail)
            code = said if isinstance(said := detail.get("code"), str) and said in remedies() else None
            partner = entry.partner if entry.partner in known else None
            flows = {str(detail.get("flow")), *about.get((entry.subject, entry.partner), ())} & WAYS.keys()
            key = (entry.event, partner, code)
            before = found.get(key)
            if before is None and len(found) == MOST_LINES:
                more += 1
                continue
            found[key] = Line(
                event=entry.event,
                partner=partner,
                code=code,
                count=1 if before is None else before.count + 1,
                flows=tuple(sorted({*flows, *(() if before is None else before.flows)})),
                first=entry.at if before is None else before.first,
                last=entry.at,
            )
    lines = sorted(found.values(), key=lambda line: (-_LEVELS.index(BY_NAME[line.event].level), line.first))
    return Told(tuple(lines), more)
