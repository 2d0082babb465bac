"""The calendar of the monthly extract: which month an extract belongs to, when it is due, and how a month stands.

An extract describes an authority's claims as on the second Thursday of its month, the reference date. How many days
after that it has to be here is not published, and configured. All days are days in UTC. Pure: no clock, no I/O; a
ValueError for text that names no month, and nothing else is raised.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import Final

from gateway.domain.identity import from_text

EXPECTED: Final = "extract.expected"
"""The event that says that a partner's extracts are expected from then on."""

_MONTHS: Final = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_SHORT: Final = tuple(month[:3] for month in _MONTHS)
_THURSDAY: Final = 3
_NAMED: Final = re.compile(
    rf"(?<![a-z])({'|'.join((*_MONTHS, *_SHORT))})[ ._-]{{0,3}}(20[0-9]{{2}})(?![0-9])", re.IGNORECASE
)
_NUMBERED: Final = re.compile(r"(?<![0-9])(20[0-9]{2})-(0[1-9]|1[0-2])(?![0-9])")
_EXACT: Final = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


@dataclass(frozen=True, order=True)
class Month:
    """A month, as `2026-11`."""

    year: int
    number: int

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.number:02d}"

    @staticmethod
    def parse(text: str) -> Month:
        """The month that `2026-11` means; ValueError for anything else."""
        found = _EXACT.fullmatch(text)
        if found is None or int(found[1]) == 0:
            raise ValueError("a month is written as 2026-11")
        return Month(int(found[1]), int(found[2]))

    @staticmethod
    def of(day: date) -> Month:
        return Month(day.year, day.month)

    @property
    def before(self) -> Month:
        return Month(self.year - 1, 12) if self.number == 1 else Month(self.year, self.number - 1)

    @property
    def after(self) -> Month:
        return Month(self.year + 1, 1) if self.number == 12 else Month(self.year, self.number + 1)

    @property
    def reference_date(self) -> date:
        """The second Thursday."""
        first = date(self.year, self.number, 1)
        return first + timedelta(days=(_THURSDAY - first.weekday()) % 7 + 7)

    def deadline(self, days: int) -> date:
        """The last day on which the month's extract is in time."""
        return self.reference_date + timedelta(days=days)


def month_in(name: str) -> Month | None:
    """The month that a file's name ends up with, as in `hb9991_SHBE_555086k May 2013.csv`; None where it has none."""
    named = _NAMED.findall(name)
    if named:
        word, year = named[-1]
        return Month(int(year), _SHORT.index(word[:3].lower()) + 1)
    numbered = _NUMBERED.findall(name)
    return Month(int(numbered[-1][0]), int(numbered[-1][1])) if numbered else None


def month_of(name: str, received: date) -> Month:
    """The month that an extract belongs to.

    No field of an extract holds its reference date, and the dates of its claims only bound it from one side, so the
    name decides. A month that lies ahead cannot be meant; then, and where the name has none, it is the month of the
    last reference date until the day on which the extract came.
    """
    named, arrived = month_in(name), Month.of(received)
    if named is not None and named <= arrived:
        return named
    return arrived if received >= arrived.reference_date else arrived.before


def day_of(moment: float) -> date:
    """The day in UTC of seconds since 1970."""
    return datetime.fromtimestamp(moment, UTC).date()


def first_expected(seen: date, days: int) -> Month:
    """The first month whose extract can still come in time from a partner that is known since that day."""
    month = Month.of(seen).before
    while month.deadline(days) < seen:
        month = month.after
    return month


def expected_from(said: Mapping[tuple[str, str], str], days: int) -> dict[str, Month]:
    """From which month on each partner's extract is expected, by the chain's own note of when that began."""
    return {
        partner: first_expected(day_of(from_text(at)), days)
        for (event, partner), at in said.items()
        if event == EXPECTED
    }


class Standing(StrEnum):
    """How one authority's month stands."""

    DUE = "due"
    RECEIVED = "received"
    LATE = "late"
    MISSING = "missing"


@dataclass(frozen=True)
class Delivery:
    """One extract that came. `at` is in seconds since 1970, `records` None where it was not counted.

    `exceptions` are how many it has and in how many records, None where it has none. One that is `other`, by its name another
    authority's than its sender's, counts for nobody.
    """

    transfer: str
    name: str
    at: float
    records: int | None = None
    exceptions: tuple[int, int] | None = None
    other: bool = False


@dataclass(frozen=True)
class Entry:
    """One authority's month. `deliveries` are in the order in which they came: the last one of that authority counts, it
    replaces the others.

    In time is who sent the first one in time: correcting it later is no lateness.
    """

    partner: str
    month: Month
    deadline: date
    standing: Standing
    deliveries: tuple[Delivery, ...]

    @property
    def own(self) -> tuple[Delivery, ...]:
        """Those that are the authority's."""
        return tuple(delivery for delivery in self.deliveries if not delivery.other)

    @property
    def counts(self) -> Delivery | None:
        return self.own[-1] if self.own else None

    @property
    def replaced(self) -> tuple[Delivery, ...]:
        return self.own[:-1]

    @property
    def others(self) -> tuple[Delivery, ...]:
        """What came and is another authority's: a version of the gateway that did not look at names took it."""
        return tuple(delivery for delivery in self.deliveries if delivery.other)

    @property
    def resubmitted(self) -> bool:
        return len(self.own) > 1


def entry(partner: str, month: Month, deliveries: Iterable[Delivery], *, today: date, days: int) -> Entry:
    """How the month stands today, with what came for it."""
    came = tuple(sorted(deliveries, key=lambda delivery: (delivery.at, delivery.transfer)))
    deadline = month.deadline(days)
    if own := [delivery for delivery in came if not delivery.other]:
        standing = Standing.RECEIVED if day_of(own[0].at) <= deadline else Standing.LATE
    else:
        standing = Standing.DUE if today <= deadline else Standing.MISSING
    return Entry(partner, month, deadline, standing, came)


def account(
    expected: Mapping[str, Month],
    deliveries: Iterable[tuple[str, Delivery]],
    *,
    since: Month,
    until: Month,
    today: date,
    days: int,
) -> list[Entry]:
    """Every month from `since` to `until` of every authority, ordered by month and code.

    `expected` says from which month on each authority's extract is expected; a month before that, or of an authority
    that is no partner any more, is there only if an extract came for it.
    """
    came: dict[tuple[str, Month], list[Delivery]] = {}
    for partner, delivery in deliveries:
        month = month_of(delivery.name, day_of(delivery.at))
        came.setdefault((partner, month), []).append(delivery)
    wanted = {key for key in came if since <= key[1] <= until}
    month = since
    while month <= until:
        wanted |= {(partner, month) for partner, first in expected.items() if first <= month}
        month = month.after
    return [
        entry(partner, month, came.get((partner, month), ()), today=today, days=days)
        for partner, month in sorted(wanted, key=lambda key: (key[1], key[0]))
    ]
