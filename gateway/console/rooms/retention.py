"""Retention: what is over its time, legal holds, and disposal that two people ask for."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from gateway.administration.requests import asking
from gateway.administration.views.requests import listed
from gateway.administration.views.retention import MOST, due_rows, retention
from gateway.console.visits import Visit
from gateway.domain.people import Right
from gateway.domain.requests import OPEN, Act
from gateway.errors import RightMissing, UsageWrong

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
        fault=fault,
        given=visit.form if fault else {},
    )
