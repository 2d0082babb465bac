"""The audit chain for people: its head, verifying it now, what was verified, and what happened, event by event."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from gateway.administration.proofs.progress import Progress, noted
from gateway.administration.requests import asking
from gateway.administration.site.audit_record import last_audit
from gateway.administration.views.happenings import HappeningFilter, from_on
from gateway.console.listing import PAGE_ROWS, Cell, Column, Filter, Line, Titled, listing, place_of
from gateway.console.rendering import counted
from gateway.console.rooms import saved_filters
from gateway.console.visits import Visit
from gateway.domain.requests import Act, RequestState
from gateway.errors import NotFound, RightMissing, UsageWrong
from gateway.ledger import requests
from gateway.ledger.queries import verifications
from gateway.ledger.queries.verifications import Verification
from gateway.ledger.store import Connection, read_head
from gateway.ledger.units import Request

_EVENTS: Final = (Column("Number", numeric=True), Column("When"), Column("By"), Column("What"), Column("Partner"))
_VERIFICATIONS: Final = (
    Column("Ended"),
    Column("Asked by"),
    Column("Events", numeric=True),
    Column("Faults", numeric=True),
    Column("The first fault"),
)
_WHY: Final = "verify now, on the audit page"
_ROWS: Final = 20
_LOOKS: Final = {
    "schema": "Tables of the ledger",
    "indices": "Indices of the ledger",
    "events": "Events of the chain",
    "heads": "Heads that partners hold",
    "files": "Files",
}


def audit(visit: Visit) -> Response:
    """The head, the last audit on record, what is being verified, and what was."""
    return _page(visit, "")


def verify(visit: Visit) -> Response:
    """Ask the vault to verify the site now."""
    site = visit.console
    try:
        identity = asking.ask(site.settings, site.ledger, Act.VERIFY, verifications.SUBJECT, visit.user, _WHY)
    except (RightMissing, UsageWrong) as error:
        return _page(visit, error.reason)
    return visit.to(f"/audit?asked={identity}")


def _page(visit: Visit, fault: str) -> Response:
    site = visit.console
    with site.reading() as connection:
        head = read_head(connection)
        waiting = next(iter(requests.waiting(connection, [Act.VERIFY])), None)
        found = verifications.page(connection, _ROWS + 1, place_of(visit.query.get("after")))
        refused = _refused(connection, visit.query.get("asked", ""))
    further = str(found[_ROWS - 1].sequence) if len(found) > _ROWS else None
    lines = [_line(each) for each in found[:_ROWS]]
    empty = "Nobody has asked for one here."
    return visit.page(
        "audit",
        422 if fault else 200,
        head=head,
        last=last_audit(site.settings.home),
        fault=fault,
        refused=refused,
        waiting=waiting,
        looks=None if waiting is None else _far(waiting, noted(site.settings.home.run)),
        listing=listing("/audit", {}, _VERIFICATIONS, lines, following=further, empty=empty),
    )


def _refused(connection: Connection, identity: str) -> Request | None:
    """The verification that was just asked for, where it came to nothing."""
    try:
        found = requests.find(connection, identity)
    except NotFound:
        return None
    return found if found.act is Act.VERIFY and found.state is RequestState.REFUSED else None


def _far(request: Request, progress: Progress | None) -> str:
    """How far it is, in words."""
    if progress is None or progress.request != request.id:
        return "It begins as soon as the vault has looked: seconds, while the gateway runs."
    what = _LOOKS.get(progress.what, f"Rows: {progress.what}")
    if progress.total:
        return f"{what}: {progress.done:,} of {progress.total:,}"
    return f"{what}: {progress.done:,}" if progress.done else what


def _line(each: Verification) -> Line:
    first = each.first or "–"
    unseen = (f"Not compared: the files of {', '.join(each.unseen)}",) if each.unseen else ()
    faults = counted(each.faults, "fault") if each.faults else "none"
    cells = (Cell(each.at, moment=True), Cell(each.actor), Cell(each.events), Cell(faults), Cell(first, below=unseen))
    return Line(cells, {})


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
