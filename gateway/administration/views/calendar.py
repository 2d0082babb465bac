"""DWP's view of the monthly extracts: for each authority and month, whether the extract is due, came, came late or is missing.

Raises UsageWrong at an authority's site, which has no calendar.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from gateway.administration.views.records import ExceptionCount, exceptions, moment
from gateway.domain.calendar import EXPECTED, Delivery, Entry, Month, account, day_of, expected_from, first_expected
from gateway.domain.extract_name import FLOW as EXTRACT
from gateway.errors import UsageWrong
from gateway.flows.routes import routes
from gateway.ledger.queries import events, extracts, lanes
from gateway.ledger.store import Connection
from gateway.settings.model import Settings, SiteKind

MONTHS: Final = 3
"""So many months are shown where none is named."""


@dataclass(frozen=True)
class DeliveryView:
    """An extract that came."""

    transfer: str
    name: str
    received: str | None
    records: int | None
    exceptions: ExceptionCount | None


@dataclass(frozen=True)
class CalendarEntry:
    """One authority's month: `counts` is the extract that counts, `replaced` those before it, the oldest first."""

    partner: str
    month: str
    reference_date: str
    deadline: str
    standing: str
    received: str | None
    resubmitted: bool
    counts: DeliveryView | None
    replaced: tuple[DeliveryView, ...]
    of_other_authorities: tuple[DeliveryView, ...]


def require_calendar(settings: Settings) -> None:
    """UsageWrong at a site that is not DWP's."""
    if settings.site.kind is not SiteKind.DWP:
        raise UsageWrong(
            "The calendar is kept at DWP's site; here, `gateway transfers --flow extract` lists what went."
        )


def calendar(
    settings: Settings, connection: Connection, now: float, month: Month | None, partner: str | None
) -> Sequence[CalendarEntry]:
    """One month, or the last three; of one authority, or of all that send extracts."""
    until = Month.of(day_of(now)) if month is None else month
    since = until
    for _ in range(MONTHS - 1 if month is None else 0):
        since = since.before
    days, today = settings.calendar.deadline_days, day_of(now)
    sending = routes(settings).incoming.get(EXTRACT, frozenset())
    partners = sorted({*sending, *lanes.known_partners(connection)})
    said = events.events_about(connection, [EXPECTED], sorted(sending))
    came = list(extracts.delivered(connection, partners, partial(settings.authorities.same, on=today)))
    # Where the gateway has not run since the partner was added, it is expected from now on.
    expected = {code: first_expected(today, days) for code in sending} | expected_from(said, days)
    entries = account(expected, came, since=since, until=until, today=today, days=days)
    return [_entry(entry) for entry in entries if partner in (None, entry.partner)]


def _entry(entry: Entry) -> CalendarEntry:
    first = entry.own[0] if entry.own else None
    return CalendarEntry(
        partner=entry.partner,
        month=str(entry.month),
        reference_date=entry.month.reference_date.isoformat(),
        deadline=entry.deadline.isoformat(),
        standing=entry.standing.value,
        received=None if first is None else moment(first.at),
        resubmitted=entry.resubmitted,
        counts=None if entry.counts is None else _delivery(entry.counts),
        replaced=tuple(_delivery(delivery) for delivery in entry.replaced),
        of_other_authorities=tuple(_delivery(delivery) for delivery in entry.others),
    )


def _delivery(delivery: Delivery) -> DeliveryView:
    return DeliveryView(
        transfer=delivery.transfer,
        name=delivery.name,
        received=moment(delivery.at),
        records=delivery.records,
        exceptions=exceptions(delivery.exceptions),
    )
