"""What was locked away, and all about one of it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from starlette.responses import Response

from gateway.administration.views.quarantine import quarantine, story
from gateway.administration.views.records import QuarantinedView
from gateway.administration.views.requests import open_about
from gateway.administration.views.words import bytes_of
from gateway.console.listing import Cell, Column, Filter, Line, Titled, simple
from gateway.console.rendering import tail, when
from gateway.console.timeline import timeline
from gateway.console.visits import Visit
from gateway.domain.identity import to_text
from gateway.domain.receipt import Level
from gateway.domain.requests import Act
from gateway.domain.states import Direction
from gateway.errors import LandingUnexpected
from gateway.ledger.queries.receipts import receipts_about
from gateway.ledger.tables import FILE
from gateway.ledger.units import Receipt

_STRAY: Final = "stray file"
_TOLD: Final = "Told by a receipt of ours"
_NOT_TOLD: Final = "Not told by the gateway: call the partner"
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
                Cell(f"{_came_as(each)} {tail(each.id)}", f"/quarantine/{each.id}"),
                Cell(each.partner),
                Cell(each.code, below=(each.reason, *(["discarded"] if each.discarded else []))),
                Cell(bytes_of(each.size)),
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
        intro="What should not exist: it was locked away, and nothing of it goes on from here. Whether its sender was told, its page says. A supervisor can look at it, with a reason.",
        links=(),
        filters=filters,
        path="/quarantine",
        listings=[Titled("", shown)],
    )


def one(visit: Visit) -> Response:
    """All about one quarantined file."""
    with visit.console.reading() as connection:
        found = story(visit.console.settings, connection, visit.path["id"])
        waits = open_about(visit.console.settings, connection, (Act.DISCARD,), found.id)
        told = _is_told(found, receipts_about(connection, found.partner, found.consignment))
    rows = [
        ("Partner", found.partner),
        ("Came as", _came_as(found)),
        ("Name" if _came_as(found) == _STRAY else "Consignment", found.consignment),
        ("Its sender", _TOLD if told else _NOT_TOLD),
        ("Size", f"{found.size:,} bytes"),
        ("Digest (SHA-256)", found.sha256),
        ("Discarded", when(found.discarded)),
    ]
    if found.kind == FILE and not told:  # of one that was to go out, whoever dropped it here has it back
        rows = [row for row in rows if row[1] != _NOT_TOLD]
    events = timeline(found.events)
    return visit.page("quarantined", about=found, rows=rows, events=events, waits=waits)


def _is_told(about: QuarantinedView, receipts: Iterable[Receipt]) -> bool:
    """Whether a receipt of ours answers it: one that is due since it was locked away. One from before answers what came earlier as that id."""
    return any(
        each.direction == Direction.OUT
        and each.level == Level.DELIVERED
        and to_text(each.created) >= (about.received or "")
        for each in receipts
    )


def _came_as(about: QuarantinedView) -> str:
    """What it came as, in a word: what lay in a landing under another name is no consignment."""
    return _STRAY if about.code == LandingUnexpected.code else about.kind
