"""Daily statements in the chain: what this site made, what partners sent, and who takes them. Reads only.

Events of our own statements are about one subject, and those of a partner's about another, so that the index of subjects
finds them in a chain of any length.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, Literal

import orjson
from sqlalchemy import Connection, func, select

from gateway.domain.statement import Counts
from gateway.domain.states import Direction
from gateway.events import BY_NAME
from gateway.ledger.chain import EMPTY, Head
from gateway.ledger.queries.events import last_details
from gateway.ledger.tables import EVENTS, TRANSFERS

KIND: Final = "statement"
OWN: Final = "statement"
"""What the events of our own statements are about."""
MADE: Final = "statement.made"
DISPATCHED: Final = "statement.dispatched"
STAMPED: Final = "statement.stamped"
KEPT: Final = "statement.kept"
AGREED: Final = "statement.agreed"
DECLINED: Final = "statement.declined"

_THEIRS: Final = "statement/"
_AFTER_THEIRS: Final = "statement0"
"""The first text after all those that begin with `_THEIRS`."""


@dataclass(frozen=True)
class Noted:
    """A statement as the chain has it: whose it is (None for ours), its day, the SHA-256 of its file, its head, the day and
    SHA-256 of the one before; and of our own its text, or of a stamp the stamp in base 64.
    """

    partner: str | None
    day: str
    sha256: str
    head: Head
    previous: tuple[str, str] | None
    text: str | None = None


def subject_of(partner: str) -> str:
    """What the events about a partner's statements are about."""
    return f"{_THEIRS}{partner}"


def last(connection: Connection, event: str = MADE) -> Noted | None:
    """The last statement that this site made, dispatched, or has a stamp of."""
    return next(_noted(connection.execute(_last(event))), None)


@cache  # the stages that wait for a statement ask at each step
def _last(event: str) -> Any:
    return _events(event).where(EVENTS.c.subject == OWN).order_by(EVENTS.c.sequence.desc()).limit(1)


def made(connection: Connection, event: str = MADE) -> Iterator[Noted]:
    """Every statement that this site made, or has a stamp of, in order."""
    yield from _noted(connection.execute(_events(event).where(EVENTS.c.subject == OWN).order_by(EVENTS.c.sequence)))


def some(
    connection: Connection, limit: int, partner: str | None = None, before: int | None = None, event: str | None = None
) -> list[tuple[int, Noted]]:
    """At most so many statements of this site, or of a partner, the newest first, with the numbers of their events; those from before an
    event where it is named. Of this site, stamps in their place where `event` says so.
    """
    query = select(EVENTS.c.sequence, EVENTS.c.partner, EVENTS.c.detail).where(
        EVENTS.c.event == (event or (MADE if partner is None else KEPT)),
        EVENTS.c.subject == (OWN if partner is None else subject_of(partner)),
    )
    if before is not None:
        query = query.where(EVENTS.c.sequence < before)
    rows = connection.execute(query.order_by(EVENTS.c.sequence.desc()).limit(limit)).all()
    return [(sequence, noted) for sequence, *row in rows for noted in _noted([row])]


def numbered(connection: Connection, sequence: int, event: str = MADE) -> Noted | None:
    """The statement of this site, or the stamp of one, that the event of that number tells of."""
    query = _events(event).where(EVENTS.c.sequence == sequence, EVENTS.c.subject == OWN)
    return next(_noted(connection.execute(query)), None)


def kept(connection: Connection, partner: str | None = None) -> Iterator[Noted]:
    """Every statement that came from a partner, or from any, in order."""
    if partner is not None:
        query = _events(KEPT).where(EVENTS.c.subject == subject_of(partner))
    else:
        query = _events(KEPT).where(EVENTS.c.subject > _THEIRS, EVENTS.c.subject < _AFTER_THEIRS)
    yield from _noted(connection.execute(query.order_by(EVENTS.c.sequence)))


def takers(connection: Connection, partners: Iterable[str]) -> list[str]:
    """Those of the partners whose gateways have said that they take statements, in order of their codes."""
    known = last_details(connection, [AGREED, DECLINED], [subject_of(partner) for partner in partners])
    return sorted(subject.removeprefix(_THEIRS) for subject, (event, _) in known.items() if event == AGREED)


def head_before(connection: Connection, moment: str) -> Head:
    """The newest event from before a moment (RFC 3339, as the chain has times); EMPTY where there is none."""
    query = select(EVENTS.c.sequence, EVENTS.c.sha256).where(EVENTS.c.at < moment)
    row = connection.execute(query.order_by(EVENTS.c.sequence.desc()).limit(1)).first()
    return EMPTY if row is None else Head(row.sequence, row.sha256)


def counts(connection: Connection, after: int, until: int) -> Counts:
    """How often transfers came into a state, by the events after one and up to another: by flow, direction and state.

    States that a whole consignment comes into at once (packed, sealed, sent, opened) have no event for each transfer.
    """
    states = {name: event.state for name, event in BY_NAME.items() if name.startswith("transfer.") and event.state}
    query = (
        select(TRANSFERS.c.flow, TRANSFERS.c.direction, EVENTS.c.event, func.count())
        # As an expression: the index of subjects would ask about every transfer that there ever was, not about these events.
        .join(TRANSFERS, (TRANSFERS.c.id == EVENTS.c.subject.concat("")) & (TRANSFERS.c.partner == EVENTS.c.partner))
        .where(
            EVENTS.c.sequence > after,
            EVENTS.c.sequence <= until,
            EVENTS.c.event.in_(list(states)),
            TRANSFERS.c.direction.in_([str(each) for each in Direction]),  # the index begins with it
        )
        .group_by(TRANSFERS.c.flow, TRANSFERS.c.direction, EVENTS.c.event)
    )
    found: Counts = {}
    for flow, direction, event, number in connection.execute(query):
        side: Literal["in", "out"] = "in" if direction == Direction.IN else "out"
        found.setdefault(flow, {}).setdefault(side, {})[str(states[event])] = number
    return found


def _events(event: str) -> Any:
    return select(EVENTS.c.partner, EVENTS.c.detail).where(EVENTS.c.event == event)


def _noted(rows: Iterable[Any]) -> Iterator[Noted]:
    """What events say; one that says something else was edited, which the audit of the chain tells."""
    for partner, text in rows:
        try:
            detail: Mapping[str, Any] = orjson.loads(text)
        except orjson.JSONDecodeError:
            continue
        match detail:
            case {"day": str(day), "sha256": str(sha256), "head": [int(sequence), str(digest)]}:
                before, whole = _texts(detail, "previous", 2), _texts(detail, "text", 1)
                previous = (before[0], before[1]) if before else None
                yield Noted(partner, day, sha256, Head(sequence, digest), previous, whole[0] if whole else None)


def _texts(detail: Mapping[str, Any], name: str, count: int) -> list[str]:
    """So many texts under that name; none where there is anything else."""
    found = detail.get(name)
    good = isinstance(found, list) and len(found) == count and all(isinstance(each, str) for each in found)
    return found if good and found is not None else []
