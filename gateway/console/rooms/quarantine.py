"""What was locked away, and all about one of it."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from gateway.administration.views.quarantine import quarantine, story
from gateway.console.listing import Cell, Column, Filter, Line, Titled, simple
from gateway.console.timeline import timeline
from gateway.console.visits import Visit

_COLUMNS: Final = (
    Column("Received", "received", descends_first=True),
    Column("What", "kind"),
    Column("Partner", "partner"),
    Column("Why", "code"),
    Column("Size", "size", numeric=True),
)


def listed(visit: Visit) -> Response:
    """What is locked away, the newest first; with `discarded`, what was discarded too."""
    every = visit.query.get("discarded") == "yes"
    with visit.console.reading() as connection:
        found = list(quarantine(connection, discarded=every))[::-1]
    lines = [
        Line(
            (
                Cell(each.received, moment=True),
                Cell(f"{each.kind} {each.id[:8]}", f"/quarantine/{each.id}"),
                Cell(each.partner),
                Cell(each.code, below=(each.reason, *(["discarded"] if each.discarded else []))),
                Cell(each.size),
            ),
            vars(each),
        )
        for each in found
    ]
    filters = [
        Filter("discarded", "Show", "yes" if every else "", (("yes", "Discarded too"),), "What is locked away now")
    ]
    shown = simple("/quarantine", visit.query, _COLUMNS, lines, "Nothing is locked away.")
    return visit.page(
        "listed",
        heading="Quarantine",
        intro="What should not exist: it was locked away, nothing of it goes on from here, and its sender was told. A supervisor can look at it, with a reason.",
        links=(),
        filters=filters,
        path="/quarantine",
        listings=[Titled("", shown)],
    )


def one(visit: Visit) -> Response:
    """All about one quarantined file."""
    with visit.console.reading() as connection:
        found = story(visit.console.settings, connection, visit.path["id"])
    rows = [
        ("Partner", found.partner),
        ("Came as", found.kind),
        ("Consignment", found.consignment),
        ("Size", f"{found.size:,} bytes"),
        ("Digest (SHA-256)", found.sha256),
        ("Discarded", found.discarded),
    ]
    events = timeline(found.events)
    return visit.page("quarantined", about=found, rows=rows, events=events)
