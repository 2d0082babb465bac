"""The audit chain for people: its head, the last audit on record, the heads that partners hold, and what happened, event by event."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from gateway.administration.site.audit_record import last_audit
from gateway.administration.views.happenings import HappeningFilter, from_on
from gateway.console.listing import PAGE_ROWS, Cell, Column, Filter, Line, Titled, listing, place_of
from gateway.console.rooms import saved_filters
from gateway.console.visits import Visit
from gateway.ledger.queries.lanes import all_lanes
from gateway.ledger.store import read_head

_EVENTS: Final = (Column("Number", numeric=True), Column("When"), Column("By"), Column("What"), Column("Partner"))


def audit(visit: Visit) -> Response:
    """The head, the last audit, and the heads that partners have confirmed."""
    site = visit.console
    with site.reading() as connection:
        head = read_head(connection)
        lanes = sorted(all_lanes(connection).values())
    return visit.page("audit", head=head, last=last_audit(site.settings.home), lanes=lanes)


def events(visit: Visit) -> Response:
    """The events of the chain, the newest first, page by page."""
    site = visit.console
    partner = visit.query.get("partner") or None
    with site.reading() as connection:
        head = read_head(connection).sequence
        place = place_of(visit.query.get("after"))
        before = head + 1 if place is None else place
        found, further = from_on(connection, HappeningFilter(partner), before, PAGE_ROWS)
    lines = [
        Line(
            (
                Cell(each.sequence),
                Cell(each.at, moment=True),
                Cell(each.role),
                Cell(each.words, f"/transfers/{each.transfer}" if each.transfer else None),
                Cell(each.partner),
            ),
            {},
        )
        for each in found
    ]
    query = {"partner": partner} if partner else {}
    shown = listing(
        "/events",
        query,
        _EVENTS,
        lines,
        following=None if further is None else str(further),
        empty="Nothing is meant by this.",
    )
    return visit.page(
        "listed",
        heading="What happened",
        intro="The audit chain in words, the newest first.",
        links=[("The chain itself", "/audit")],
        filters=[
            Filter("partner", "Partner", partner or "", tuple((code, code) for code in sorted(site.settings.codes)))
        ],
        path="/events",
        listings=[Titled("", shown)],
        saved=saved_filters.of(visit, "/events", query),
    )


save_events: Final = saved_filters.changes("/events", ("partner",), events)
