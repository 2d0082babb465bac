"""Lanes that keep failing: how often in a row by the same error, since when, and whether that was told.

Read from the chain, where every failure of a lane is an event, and from the parcels that wait by themselves: so a restart
forgets nothing, and there is no second truth. Reads only; raises nothing of its own.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import orjson
from sqlalchemy import Connection, func, select

from gateway.domain.identity import from_text, to_text
from gateway.domain.states import Direction, State
from gateway.errors import NameTaken, StoreFileLost, UploadVanished
from gateway.ledger.queries.lost_files import lost_files
from gateway.ledger.tables import CONSIGNMENTS, EVENTS, LANES, RECEIPTS

STUCK: Final = "lane.stuck"
FEW: Final = 3
"""Uploads that vanish are told of after so many at the latest: each leaves a copy with the partner."""

_FAILURES: Final = ("lane.deferred", "lane.held")
_ENDS: Final = ("lane.recovered", "lane.released")
_MIXED: Final = 4
"""So many times the number of equal failures are an alarm whatever they are: a line may time out, break and refuse in turn."""
_MOST_EVENTS: Final = 5000


class Streak(NamedTuple):
    """The failures of a lane since its last success: `times` in a row by the same error, `since` when (RFC 3339).

    `told` is when that was last an alarm, in seconds since 1970. `subject` is what the chain calls it.
    """

    subject: str
    times: int
    code: str
    reason: str
    since: str
    told: float | None


def streak(connection: Connection, partner: str) -> Streak | None:
    """The lane's failures in a row up to now; None where the last thing that it did went well."""
    query = (
        select(EVENTS.c.event, EVENTS.c.at, EVENTS.c.detail)
        .where(EVENTS.c.subject == partner, EVENTS.c.event.in_([*_FAILURES, *_ENDS, STUCK]))
        .order_by(EVENTS.c.sequence.desc())
        .limit(_MOST_EVENTS)
    )
    equal: list[tuple[str, str, str]] = []
    told: str | None = None
    ended = False
    for event, at, detail in connection.execute(query):
        if event in _ENDS:
            break
        if event == STUCK:
            told = told or at
        elif not ended:
            said = orjson.loads(detail)
            ended = bool(equal) and equal[0][0] != said.get("code")
            if not ended:
                equal.append((said.get("code", ""), said.get("reason", ""), at))
    if not equal:
        return None
    code, reason, _ = equal[0]
    return Streak(partner, len(equal), code, reason, equal[-1][2], None if told is None else from_text(told))


def alarms(connection: Connection, partner: str, most: int) -> list[Streak]:
    """What is the matter with a lane: what waits for files that the store has lost; and the lane's own trouble where it has failed `most`
    times in a row by the same error, or much more often by any, or else that of a parcel which waits by itself, beside a lane that goes on.
    """
    found = [_lost(connection, partner), _failing(connection, partner, most) or _parcel(connection, partner, most)]
    return [each for each in found if each is not None]


def alarm(connection: Connection, partner: str, most: int) -> Streak | None:
    """The first of them; None where there is none."""
    return next(iter(alarms(connection, partner, most)), None)


def _failing(connection: Connection, partner: str, most: int) -> Streak | None:
    run = streak(connection, partner)
    if run is None or run.times >= _enough(run.code, most):
        return run
    failures = connection.execute(select(LANES.c.failures).where(LANES.c.partner == partner)).scalar() or 0
    return run._replace(times=failures) if failures >= _MIXED * most else None


def _lost(connection: Connection, partner: str) -> Streak | None:
    """What waits for files that the store has lost: at once, since nobody but a person can put them back."""
    if not (waiting := lost_files(connection, partner)):
        return None
    first, more = waiting[0], len(waiting) - 1
    reason = f"{first.kind} {first.subject}: {first.reason}" + (f" (and {more} more wait so)" if more else "")
    subject = f"{partner}/store"
    told = _told(connection, subject, from_text(first.since))
    return Streak(subject, first.times, StoreFileLost.code, reason, first.since, told)


def _parcel(connection: Connection, partner: str, most: int) -> Streak | None:
    """The oldest parcel that was put off so often. One whose name is taken waits for nothing but the partner's gateway."""
    found = []
    for table in (CONSIGNMENTS, RECEIPTS):
        waiting = select(table.c.code, table.c.reason, table.c.attempts, table.c.created).where(
            table.c.state == str(State.SEALED),
            table.c.direction == str(Direction.OUT),
            table.c.partner == partner,
            table.c.attempts >= min(most, FEW),
            table.c.code.is_not(None),
            table.c.code.not_in([NameTaken.code, StoreFileLost.code]),
        )
        found += [row for row in connection.execute(waiting) if row.attempts >= _enough(row.code, most)]
    if not found:
        return None
    oldest = min(found, key=lambda row: row.created)
    subject = f"{partner}/parcels"
    told = _told(connection, subject, oldest.created)
    return Streak(subject, oldest.attempts, oldest.code, oldest.reason or "", to_text(oldest.created), told)


def _told(connection: Connection, subject: str, since: float) -> float | None:
    """When that was last an alarm, since it began."""
    query = select(func.max(EVENTS.c.at)).where(EVENTS.c.subject == subject, EVENTS.c.event == STUCK)
    last: str | None = connection.execute(query).scalar()
    return None if last is None or from_text(last) < since else from_text(last)


def _enough(code: str, most: int) -> int:
    return min(most, FEW) if code == UploadVanished.code else most
