"""Extract calendar: DWP expects the month's extract of every authority that sends one; an alarm, once, about each missing or late.

The first look at a partner notes in the chain that its extracts are expected from now on, so that nobody is blamed for
months before the partner was introduced. Every hour after that: a deadline that passed without an extract, and an extract
that came after its deadline, are events of the chain and alarms of the log. Nothing else depends on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gateway.domain.calendar import EXPECTED, Entry, Month, Standing, account, day_of, expected_from
from gateway.domain.extract_name import FLOW as EXTRACT
from gateway.domain.retry import is_due
from gateway.ledger.queries import events, extracts
from gateway.settings.model import SiteKind
from gateway.stages.context import StageContext, Step

_EVERY: Final = 3600.0
_ALARMS: Final[Mapping[Standing, str]] = {Standing.LATE: "extract.late", Standing.MISSING: "extract.missing"}
_REASONS: Final[Mapping[Standing, str]] = {
    Standing.LATE: "the extract of {month} came after {deadline}",
    Standing.MISSING: "the extract of {month} was due by {deadline}, and has not come",
}
_LOOK_BACK: Final = 13
"""Months that are looked at: enough for a gateway that was stopped for a long time."""


class ExtractCalendar:
    """Looks at the calendar every hour; does nothing at an authority's site."""

    name = "extract-calendar"

    def __init__(self, context: StageContext) -> None:
        self._context = context
        self._next = 0.0

    def step(self) -> Step:
        context = self._context
        partners = sorted(context.routes.incoming.get(EXTRACT, frozenset()))
        if context.settings.site.kind is not SiteKind.DWP or not partners:
            return Step()
        now = context.clock()
        if not is_due(self._next, now, _EVERY):
            return Step(due=self._next)
        done = self._introduce(partners) + self._look(partners, now)
        self._next = now + _EVERY
        return Step(done=done, due=self._next)

    def close(self) -> None:
        pass

    def _introduce(self, partners: list[str]) -> int:
        """Record the partners that are expected for the first time."""
        context = self._context
        with context.ledger.read() as connection:
            known = events.events_about(connection, [EXPECTED], partners)
        new = [partner for partner in partners if (EXPECTED, partner) not in known]
        if new:
            with context.ledger.write() as transaction:
                for partner in new:
                    transaction.record(EXPECTED, "extract", partner, partner, flow=EXTRACT)
        return len(new)

    def _look(self, partners: list[str], now: float) -> int:
        context = self._context
        days, today = context.settings.calendar.deadline_days, day_of(now)
        month = Month.of(today)
        since = month
        for _ in range(_LOOK_BACK - 1):
            since = since.before
        with context.ledger.read() as connection:
            expected = expected_from(events.events_about(connection, [EXPECTED], partners), days)
            came = extracts.delivered(connection, partners, context.is_same_authority)
            entries = account(expected, came, since=since, until=month, today=today, days=days)
            alarming = [entry for entry in entries if self._alarms(entry, expected)]
            said = events.events_about(connection, tuple(_ALARMS.values()), [_subject(entry) for entry in alarming])
        fresh = [entry for entry in alarming if (_ALARMS[entry.standing], _subject(entry)) not in said]
        if fresh:
            with context.ledger.write() as transaction:
                for entry in fresh:
                    transaction.record(
                        _ALARMS[entry.standing],
                        "extract",
                        _subject(entry),
                        entry.partner,
                        flow=EXTRACT,
                        due=entry.deadline.isoformat(),
                        reason=_REASONS[entry.standing].format(month=entry.month, deadline=entry.deadline),
                    )
        return len(fresh)

    def _alarms(self, entry: Entry, expected: Mapping[str, Month]) -> bool:
        """Whether the entry is an alarm: no month from before the partner was expected is."""
        return entry.standing in _ALARMS and entry.month >= expected[entry.partner]


def _subject(entry: Entry) -> str:
    return f"{entry.partner}/{entry.month}"
