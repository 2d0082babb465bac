"""`gateway calendar`: which authority's monthly extract came, is due, came late or is missing."""

from __future__ import annotations

import time
from collections import Counter
from typing import Final

import click

from gateway.administration.access import reading
from gateway.administration.views.calendar import MONTHS, CalendarEntry, require_calendar
from gateway.administration.views.calendar import calendar as calendar_of
from gateway.cli import output, tables
from gateway.cli.site import settings_of
from gateway.cli.tables import Column
from gateway.domain.calendar import Month, Standing
from gateway.errors import UsageWrong

_COLUMNS: Final = (
    Column("MONTH"),
    Column("AUTHORITY"),
    Column("STANDING"),
    Column("DEADLINE"),
    Column("RECEIVED (UTC)"),
    Column("RECORDS", right=True),
    Column("EXCEPTIONS", right=True),
    Column("SENT AGAIN", right=True),
    Column("TRANSFER THAT COUNTS", wide=True),
)


@click.command()
@click.option("--month", metavar="YYYY-MM", help=f"Only this month.  [default: the last {MONTHS}]")
@click.option("--partner", metavar="CODE", help="Only this authority.")
@output.as_csv
@output.as_json
@click.pass_context
def calendar(ctx: click.Context, month: str | None, partner: str | None, *, as_csv: bool, as_json: bool) -> None:
    """Show, for each authority and month, whether the extract is due, received, late or missing.

    An extract is about the second Thursday of its month, the reference date. Its month is the one in its file's name;
    without one, that of the last reference date before it came. Where more than one came for a month, the last one
    counts, and the first one decides whether it was in time. Faults in single records are its exceptions: `gateway extract
    exceptions ID` lists them. This is DWP's view: an authority's site has none.

    \b
    Example:
      gateway --home /srv/gateway calendar --month 2026-11
    """
    settings = settings_of(ctx)
    require_calendar(settings)
    wanted = None if month is None else _month(month)
    with reading(settings) as connection:
        entries = calendar_of(settings, connection, time.time(), wanted, partner)
    if as_json:
        output.show_json(entries)
        return
    if as_csv:
        output.show_csv(CalendarEntry, entries)
        return
    if entries:
        tables.show(_COLUMNS, [_cells(entry) for entry in entries])
    counted = Counter(entry.standing for entry in entries)
    resubmitted = sum(entry.resubmitted for entry in entries)
    said = ", ".join(f"{counted[standing]} {standing.value}" for standing in Standing)
    output.say(f"{said}, {resubmitted} sent again")


def _month(text: str) -> Month:
    try:
        return Month.parse(text)
    except ValueError as error:
        raise UsageWrong("--month takes a month such as 2026-11.") from error


def _cells(entry: CalendarEntry) -> tuple[str, ...]:
    counts = entry.counts
    return (
        entry.month,
        entry.partner,
        entry.standing,
        entry.deadline,
        tables.brief(entry.received),
        "" if counts is None or counts.records is None else str(counts.records),
        "" if counts is None or counts.exceptions is None else str(counts.exceptions.count),
        str(len(entry.replaced)) if entry.resubmitted else "",
        "" if counts is None else counts.transfer,
    )
