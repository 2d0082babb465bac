"""The overview: is all well, what waits for a person, what is late, and how partners do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from gateway.administration.views.happenings import Happening, HappeningFilter, last
from gateway.administration.views.health_fields import Health
from gateway.console.site import Site
from gateway.console.visits import Visit
from gateway.domain.people import Right
from gateway.domain.states import Direction, State
from gateway.ledger.queries import figures
from gateway.ledger.store import Connection

_LAST: Final = 10
_UNDER_WAY: Final = (State.ADMITTED, State.VALIDATED, State.PACKED, State.SEALED, State.SENT)
_ARRIVED: Final = (State.RECEIPTED, State.INGESTED)


@dataclass(frozen=True)
class Card:
    """A number on the board; `kind` says how it is meant: "", "warning" or "bad"."""

    title: str
    number: int
    path: str
    kind: str = ""


@dataclass(frozen=True)
class PartnerCard:
    """A partner on the board: how its lane is, what is under way to it, and what came."""

    code: str
    lane: str
    under_way: int
    arrived: int
    received: int
    kind: str


def overview(visit: Visit) -> Response:
    """The first page."""
    site = visit.console
    with site.reading() as connection:
        found, partners = site.board.look(site.now, lambda: _board(site, connection))
        lately: list[Happening] = []
        if visit.may(Right.LOOK):
            lately = last(connection, HappeningFilter(), _LAST)
    return visit.page(
        "overview", health=found, cards=list(_cards(found)), partners=partners, last=lately, now=site.now_text
    )


def _board(site: Site, connection: Connection) -> tuple[Health, list[PartnerCard]]:
    found = site.health(connection)
    return found, list(_partners(found, connection))


def _cards(found: Health) -> Iterator[Card]:
    out, came = _of(found.counts, "transfer", Direction.OUT), _of(found.counts, "transfer", Direction.IN)
    waits = len(found.held)
    yield Card("Waiting for a person", waits, "/waiting", "warning" if waits else "")
    if found.at_machine:
        yield Card("Waiting at the machine", found.at_machine, "/requests?state=asked", "warning")
    yield Card("In quarantine", found.quarantined, "/quarantine", "bad" if found.quarantined else "")
    yield Card("On the way", sum(out.get(state, 0) for state in _UNDER_WAY), "/transfers?direction=out&state=sent")
    yield Card("Arrived at partners", sum(out.get(state, 0) for state in _ARRIVED), "/transfers?direction=out")
    yield Card("Delivered here", came.get(State.DELIVERED, 0) + came.get(State.INGESTED, 0), "/transfers?direction=in")
    late = len(found.enquiries.overdue)
    yield Card("Enquiries overdue", late, "/enquiries", "warning" if late else "")


def _of(counts: Mapping[str, Mapping[str, Mapping[str, int]]], kind: str, direction: Direction) -> Mapping[str, int]:
    return counts.get(kind, {}).get(direction, {})


def _partners(found: Health, connection: Connection) -> Iterator[PartnerCard]:
    sums: dict[tuple[str, str], int] = {}
    for each in figures.transfer_counts(connection):
        arrived = each.state in _ARRIVED if each.direction == Direction.OUT else each.state in ("delivered", "ingested")
        what = "received" if each.direction == Direction.IN else "arrived"
        if arrived:
            sums[each.partner, what] = sums.get((each.partner, what), 0) + each.number
        elif each.direction == Direction.OUT and each.state in _UNDER_WAY:
            sums[each.partner, "way"] = sums.get((each.partner, "way"), 0) + each.number
    for lane in found.lanes:
        bad = lane.state in ("held", "stopped", "suspended")
        kind = "bad" if bad or lane.alarm is not None else "warning" if lane.state == "deferred" else ""
        yield PartnerCard(
            lane.partner,
            lane.state,
            sums.get((lane.partner, "way"), 0),
            sums.get((lane.partner, "arrived"), 0),
            sums.get((lane.partner, "received"), 0),
            kind,
        )
