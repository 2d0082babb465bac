"""DWP's extract calendar: which authority's extract came, is due, late or missing, month by month."""

from __future__ import annotations

from dataclasses import dataclass

from starlette.responses import Response

from gateway.administration.views.calendar import CalendarEntry, calendar, require_calendar
from gateway.console.listing import Column, whole
from gateway.console.visits import Visit
from gateway.domain.calendar import Month, day_of
from gateway.errors import UsageWrong

_MONTHS = 6


@dataclass(frozen=True)
class AuthorityMonths:
    """An authority's line: its months, None where nothing was expected yet."""

    partner: str
    months: tuple[CalendarEntry | None, ...]


def calendar_page(visit: Visit) -> Response:
    """Six months up to the one that is asked for, or to this one."""
    site = visit.console
    require_calendar(site.settings)
    try:
        last = Month.parse(visit.query["month"]) if visit.query.get("month") else Month.of(day_of(site.now))
    except ValueError:
        raise UsageWrong("Give a month as 2026-11.") from None
    months = [last]
    while len(months) < _MONTHS:
        months.insert(0, months[0].before)
    found: dict[str, dict[str, CalendarEntry]] = {}
    with site.reading() as connection:
        for month in months:
            for entry in calendar(site.settings, connection, site.now, month, None):
                found.setdefault(entry.partner, {})[entry.month] = entry
    lines = [
        AuthorityMonths(partner, tuple(entries.get(str(month)) for month in months))
        for partner, entries in sorted(found.items())
    ]
    columns = [Column("Authority", "partner"), *(Column(str(month)) for month in months)]
    return visit.page(
        "calendar",
        listing=whole("/calendar", visit.query, columns, lines, empty="No authority sends extracts here yet."),
        month=str(last),
        months=[str(month) for month in months],
        earlier=str(months[0].before),
    )
