"""When files may travel: windows in the site's local time, by flow and by partner.

Raises ValueError for text that is no window. A window is open while the clock on the wall shows a time from its opening until
just before its closing; one that closes earlier than it opens goes over midnight. Only that clock counts: in the night when it
jumps ahead a window within the lost hour does not come, and in the night when it is put back one within the repeated hour comes
twice.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Final, Self
from zoneinfo import ZoneInfo

from gateway.settings.model import Settings

_TEXT: Final = re.compile(r"(\d\d):(\d\d)-(\d\d):(\d\d)")
_DAY: Final = 24 * 60
_LOOK_AHEAD: Final = 4
"""Days in which windows that ever meet have met, were one of them lost to a jump of the clock."""


@dataclass(frozen=True)
class Window:
    """Minutes after midnight, `closes` excluded; where it is not after `opens`, it is the next day's."""

    opens: int
    closes: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """A window written as `20:00-06:00`."""
        found = _TEXT.fullmatch(text)
        if found is None:
            raise ValueError(f"no window: {text}")
        hour, minute, until_hour, until_minute = map(int, found.groups())
        return cls(60 * hour + minute, 60 * until_hour + until_minute)

    def holds(self, minute: int) -> bool:
        if self.opens < self.closes:
            return self.opens <= minute < self.closes
        return minute >= self.opens or minute < self.closes


Windows = Sequence[Window]
"""Open while any of them is; an empty one is always open."""


def opening(sets: Sequence[Windows], zone: tzinfo, now: float) -> float | None:
    """The first moment from `now` on at which all of the sets are open, None where they never are together."""
    if _open(sets, zone, now):
        return now
    today = datetime.fromtimestamp(now, zone).date()
    days = [today + timedelta(days=number) for number in range(_LOOK_AHEAD)]
    # Sets that are not open become so when a window opens, or when the clock jumps into one.
    moments = sorted({moment for day in days for moment in _moments(sets, zone, day) if moment > now})
    return next((moment for moment in moments if _open(sets, zone, moment)), None)


def _open(sets: Sequence[Windows], zone: tzinfo, moment: float) -> bool:
    local = datetime.fromtimestamp(moment, zone)
    minute = 60 * local.hour + local.minute
    return all(any(window.holds(minute) for window in windows) for windows in sets if windows)


def _moments(sets: Sequence[Windows], zone: tzinfo, day: date) -> Iterator[float]:
    for minutes in {window.opens for windows in sets for window in windows}:
        at = time(minutes // 60, minutes % 60, tzinfo=zone)
        for fold in (0, 1):  # an hour that comes twice
            yield datetime.combine(day, at.replace(fold=fold)).timestamp()
    begins, ends = (datetime.combine(each, time(tzinfo=zone)).timestamp() for each in (day, day + timedelta(days=1)))
    before = _offset(zone, begins)
    if _offset(zone, ends) != before:
        while ends - begins > 1:
            middle = (begins + ends) // 2
            begins, ends = (middle, ends) if _offset(zone, middle) == before else (begins, middle)
        yield ends


def _offset(zone: tzinfo, moment: float) -> timedelta | None:
    return datetime.fromtimestamp(moment, zone).utcoffset()


@dataclass(frozen=True)
class Timetable:
    """A site's windows: a file travels while both its flow's and its partner's are open."""

    zone: ZoneInfo
    flows: Mapping[str, Windows]
    partners: Mapping[str, Windows]

    @classmethod
    def of(cls, settings: Settings) -> Self:
        def parsed(windows: Sequence[str]) -> Windows:
            return tuple(map(Window.parse, windows))

        return cls(
            ZoneInfo(settings.site.time_zone),
            {name: parsed(flow.windows) for name, flow in settings.flows.items()},
            {code: parsed(partner.windows) for code, partner in settings.partners.items()},
        )

    def opening(self, partner: str, flow: str | None, now: float) -> float | None:
        """When a file of that flow may go to that partner: `now` where it may at once, None where it never may."""
        sets = (self.flows.get(flow or "", ()), self.partners.get(partner, ()))
        return opening(sets, self.zone, now) if any(sets) else now

    def closed(self, partner: str, flow: str | None, now: float) -> bool:
        """Whether a file of that flow waits for a window."""
        return self.opening(partner, flow, now) != now
