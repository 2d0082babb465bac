"""`gateway calendar`: which authority's monthly extract came, is due, came late or is missing."""

from __future__ import annotations

import time
from collections import Counter
from functools import partial
from typing import Any, Final

import click

from gateway.cli import output, reading, tables
from gateway.cli.site import settings_of
from gateway.cli.tables import Column
from gateway.domain.calendar import Delivery, Entry, Month, Standing, account, day_of, first_expected
from gateway.domain.extract_name import FLOW as EXTRACT
from gateway.errors import UsageWrong
from gateway.flows.catalog import routes
from gateway.ledger.queries import events, extracts, lanes
from gateway.settings.model import Settings, SiteKind
from gateway.stages.timers.extract_calendar import EXPECTED, expected_from

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
_MONTHS: Final = 3


@click.command()
@click.option("--month", metavar="YYYY-MM", help=f"Only this month.  [default: the last {_MONTHS}]")
@click.option("--partner", metavar="CODE", help="Only this authority.")
@output.as_json
@click.pass_context
def calendar(ctx: click.Context, month: str | None, partner: str | None, *, as_json: bool) -> None:
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
    if settings.site.kind is not SiteKind.DWP:
        raise UsageWrong(
            "The calendar is kept at DWP's site; here, `gateway transfers --flow extract` lists what went."
        )
    now = time.time()
    until = Month.of(day_of(now)) if month is None else _month(month)
    since = until
    for _ in range(_MONTHS - 1 if month is None else 0):
        since = since.before
    entries = _entries(settings, now, since, until, partner)
    if as_json:
        output.show_json([_data(entry) for entry in entries])
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


def _entries(settings: Settings, now: float, since: Month, until: Month, partner: str | None) -> list[Entry]:
    days, today = settings.calendar.deadline_days, day_of(now)
    sending = routes(settings).incoming.get(EXTRACT, frozenset())
    with reading.opened(settings) as ledger, ledger.read() as connection:
        partners = sorted({*sending, *lanes.known_partners(connection)})
        said = events.events_about(connection, [EXPECTED], sorted(sending))
        came = list(extracts.delivered(connection, partners, partial(settings.authorities.same, on=today)))
    # Where the gateway has not run since the partner was added, it is expected from now on.
    expected = {code: first_expected(today, days) for code in sending} | expected_from(said, days)
    entries = account(expected, came, since=since, until=until, today=today, days=days)
    return [entry for entry in entries if partner in (None, entry.partner)]


def _data(entry: Entry) -> dict[str, Any]:
    """One authority's month: `counts` is the extract that counts, `replaced` those before it, the oldest first."""
    first = entry.own[0] if entry.own else None
    return {
        "partner": entry.partner,
        "month": str(entry.month),
        "reference_date": entry.month.reference_date.isoformat(),
        "deadline": entry.deadline.isoformat(),
        "standing": entry.standing.value,
        "received": None if first is None else reading.moment(first.at),
        "resubmitted": entry.resubmitted,
        "counts": None if entry.counts is None else _delivery(entry.counts),
        "replaced": [_delivery(delivery) for delivery in entry.replaced],
        "of_other_authorities": [_delivery(delivery) for delivery in entry.others],
    }


def _delivery(delivery: Delivery) -> dict[str, Any]:
    return {
        "transfer": delivery.transfer,
        "name": delivery.name,
        "received": reading.moment(delivery.at),
        "records": delivery.records,
        "exceptions": reading.exceptions(delivery.exceptions),
    }


def _cells(entry: Entry) -> tuple[str, ...]:
    counts = entry.counts
    return (
        str(entry.month),
        entry.partner,
        entry.standing.value,
        entry.deadline.isoformat(),
        tables.brief(reading.moment(entry.own[0].at)) if entry.own else "",
        "" if counts is None or counts.records is None else str(counts.records),
        "" if counts is None or counts.exceptions is None else str(counts.exceptions[0]),
        str(len(entry.replaced)) if entry.resubmitted else "",
        "" if counts is None else counts.transfer,
    )
