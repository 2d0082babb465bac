"""Retention: what is over its time, legal holds, and disposal that two people ask for."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from gateway.administration.requests import asking
from gateway.administration.retention.last_run import DAILY_SECONDS, last_run
from gateway.administration.views.requests import listed
from gateway.administration.views.retention import MOST, due_rows, retention
from gateway.console.rendering import when
from gateway.console.visits import Visit
from gateway.domain.identity import to_text
from gateway.domain.people import Right
from gateway.domain.requests import OPEN, Act
from gateway.errors import RightMissing, UsageWrong

_BY_HAND: Final = (
    "Have whoever runs the machine see whether gateway-retention.timer is enabled, or run gateway retention."
)
ACTS: Final = tuple(act for act in Act if act.right is Right.RETENTION)


def shown(visit: Visit) -> Response:
    """Legal holds, what waits, the last certificate; and what is over its time, where that is asked for."""
    return _page(visit, "")


def hold(visit: Visit) -> Response:
    """Ask for a legal hold."""
    site, form = visit.console, visit.form
    subject = form.get("subject", "").strip()
    try:
        identity = asking.ask(
            site.settings, site.ledger, Act.HOLD_RETENTION, subject, visit.user, form.get("reason", "")
        )
    except (RightMissing, UsageWrong) as error:
        return _page(visit, error.reason)
    return visit.to(f"/requests/{identity}")


def next_run(visit: Visit) -> str:
    """When disposal that two people have asked for is carried out, as far as that can be seen from here."""
    site = visit.console
    last = last_run(site.settings.home.run)
    if last is None:
        return f"No run of gateway retention is on record here. {_BY_HAND}"
    ended, latest = (when(to_text(moment)) for moment in (last, last + DAILY_SECONDS))
    if 0 <= site.now - last < DAILY_SECONDS:
        return f"The last run ended on {ended}. By gateway-retention.timer the next one starts by {latest}."
    return f"The last run ended on {ended}, and one every day is expected. {_BY_HAND}"


def _page(visit: Visit, fault: str) -> Response:
    site, looks = visit.console, visit.query.get("due") == "yes"
    with site.reading() as connection:
        now = retention(connection)
        due = due_rows(site.settings, connection, site.now) if looks else None
        waits = listed(site.settings, connection, 20, states=OPEN, acts=ACTS).rows
    return visit.page(
        "retention",
        422 if fault else 200,
        now=now,
        due=due,
        most=MOST,
        waits=waits,
        next_run=next_run(visit),
        fault=fault,
        given=visit.form if fault else {},
    )
