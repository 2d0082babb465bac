"""The overview: is all well, what waits for a person, what is late, how much goes through, and how partners do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from gateway.administration.views.happenings import Happening, HappeningFilter, last
from gateway.administration.views.health_fields import Health
from gateway.administration.views.needs import Need, Topic, needs_of, second_person
from gateway.administration.views.pace import Pace, pace
from gateway.administration.views.partners import partners
from gateway.console.rooms import decisions
from gateway.console.rooms.transfers import UNDER_WAY
from gateway.console.site import Site
from gateway.console.visits import Visit
from gateway.domain.people import Right
from gateway.domain.states import Direction, State
from gateway.ledger.queries import figures
from gateway.ledger.queries.overview import MOST_ARE_IN
from gateway.ledger.store import Connection

_LAST: Final = 10
_LATELY: Final = frozenset(
    [
        "transfer",
        "consignment",
        "receipt",
        "quarantine",
        "lane",
        "partner",
        "key",
        "intake",
        "spool",
        "sequence",
        "extract",
        "enquiry",
        "fault",
        "statement",
        "medium",
        "continuity",
        "gateway",
        "role",
        "server",
        "disk",
        "clock",
        "work",
        "ledger",
        "retention",
        "documents",
        "batch",
        "node",
    ]
)
"""What happened to files and to the machine. Who signed in, looked or was checked is for who may audit."""
_PAGES: Final[Mapping[Topic, tuple[Right, str, str]]] = {
    Topic.CONTINUITY: (Right.CONTINUITY, "/continuity", "Continuity"),
    Topic.PARTNER: (Right.OVERVIEW, "/partners/{}", "The partner's page"),
    Topic.LOGS: (Right.OVERVIEW, "/help/logs", "How to read logs"),
    Topic.LANDINGS: (Right.OVERVIEW, "/help/limits-and-windows", "What limits do"),
    Topic.HELD: (Right.LOOK, "/waiting", "Waiting"),
    Topic.QUARANTINE: (Right.LOOK, "/quarantine", "Quarantine"),
    Topic.SECOND_PERSON: (Right.OVERVIEW, "/requests?state=proposed", "Requests"),
    Topic.AT_MACHINE: (Right.OVERVIEW, "/requests?state=asked", "Requests"),
    Topic.INCIDENTS: (Right.INCIDENT, "/incidents", "Incidents"),
    Topic.ENQUIRIES: (Right.LOOK, "/enquiries?outstanding=yes", "Enquiries"),
    Topic.BACK_OFFICE: (Right.LOOK, "/back-office", "Back office"),
    Topic.NODES: (Right.OVERVIEW, "/nodes", "Nodes"),
    Topic.AUDIT: (Right.AUDIT, "/audit", "Audit"),
}
"""Where the page about a need is, by what right, and its name."""
_BY_COMMAND: Final = (Topic.MACHINE, Topic.AT_MACHINE)
"""What no page can mend: the command is said."""


@dataclass(frozen=True)
class Card:
    """A number on the board; `kind` says how it is meant: "", "warning" or "bad". Where it leads takes a right."""

    title: str
    number: int
    path: str
    kind: str = ""
    right: Right = Right.LOOK


@dataclass(frozen=True)
class Told:
    """A need as the console tells it: the pieces of `command` alternate between words and what to type."""

    says: str
    command: Sequence[str]
    path: str
    title: str


@dataclass(frozen=True)
class PartnerCard:
    """A partner on the board: how its lane is, what is under way to it, and what came."""

    code: str
    name: str
    lane: str
    under_way: int
    arrived: int
    received: int
    kind: str


@dataclass(frozen=True)
class Board:
    """What all who look see alike."""

    health: Health
    needs: tuple[Need, ...]
    partners: tuple[PartnerCard, ...]
    pace: Pace


def overview(visit: Visit) -> Response:
    """The first page."""
    site = visit.console
    with site.reading() as connection:
        board: Board = site.board.look(site.now, lambda: _board(site, connection))
        proposed = decisions.proposals(visit, connection)
        mine = decisions.mine(visit, connection, proposed)
        lately: list[Happening] = []
        if visit.may(Right.LOOK):
            wanted = HappeningFilter(families=None if visit.may(Right.AUDIT) else _LATELY)
            lately = last(connection, wanted, _LAST)
    return visit.page(
        "overview",
        needs=[_told(visit, each, len(proposed)) for each in board.needs],
        mine=mine,
        cards=list(_cards(board.health, len(proposed))),
        partners=board.partners,
        pace=board.pace,
        last=lately,
        now=site.now_text,
    )


def _board(site: Site, connection: Connection) -> Board:
    found = site.health(connection)
    return Board(
        found,
        tuple(needs_of(found, "", site.now)),
        tuple(_partners(site, found, connection)),
        pace(connection, site.now),
    )


def _told(visit: Visit, need: Need, proposed: int) -> Told:
    if need.topic is Topic.SECOND_PERSON and proposed:
        need = second_person(proposed)
    command = need.then.split("`") if need.topic in _BY_COMMAND else ()
    right, path, title = _PAGES.get(need.topic, (Right.OVERVIEW, "", ""))
    if not visit.may(right) or (need.topic is Topic.SECOND_PERSON and not proposed):  # it is others' business
        path = ""
    return Told(need.says, command, path.format(need.subject), title)


def _cards(found: Health, proposed: int) -> Iterator[Card]:
    out, came = _of(found.counts, "transfer", Direction.OUT), _of(found.counts, "transfer", Direction.IN)
    held = len(found.held)
    yield Card("Held for a decision", held, "/waiting", "warning" if held else "")
    if proposed:
        yield Card("Waiting for a second person", proposed, "/requests?state=proposed", "warning", Right.OVERVIEW)
    if found.at_machine:
        yield Card("Waiting at the machine", found.at_machine, "/requests?state=asked", "warning", Right.OVERVIEW)
    yield Card("In quarantine", found.quarantined, "/quarantine", "bad" if found.quarantined else "")
    yield Card("On the way", _sum(out, UNDER_WAY), "/transfers?direction=out&state=on-the-way")
    yield Card("Arrived at partners", _sum(out, MOST_ARE_IN), "/transfers?direction=out&state=arrived")
    yield Card("Delivered here", _sum(came, MOST_ARE_IN), "/transfers?direction=in&state=arrived")
    late = len(found.enquiries.overdue)
    yield Card("Enquiries overdue", late, "/enquiries", "warning" if late else "")
    if found.nodes:
        there = sum(node.state == "up" for node in found.nodes)
        kind = "bad" if found.lanes_late else "warning" if there < len(found.nodes) else ""
        yield Card("Nodes at work", there, "/nodes", kind, Right.OVERVIEW)


def _of(counts: Mapping[str, Mapping[str, Mapping[str, int]]], kind: str, direction: Direction) -> Mapping[str, int]:
    return counts.get(kind, {}).get(direction, {})


def _sum(counts: Mapping[str, int], states: Sequence[State]) -> int:
    return sum(counts.get(state, 0) for state in states)


def _partners(site: Site, found: Health, connection: Connection) -> Iterator[PartnerCard]:
    names = {each.code: each.name for each in partners(site.settings)}
    sums: dict[tuple[str, str], int] = {}
    for each in figures.transfer_counts(connection):
        what = "received" if each.direction == Direction.IN else "arrived"
        if each.state in MOST_ARE_IN:
            sums[each.partner, what] = sums.get((each.partner, what), 0) + each.number
        elif each.direction == Direction.OUT and each.state in UNDER_WAY:
            sums[each.partner, "way"] = sums.get((each.partner, "way"), 0) + each.number
    for lane in found.lanes:
        bad = lane.state in ("held", "stopped", "suspended")
        kind = "bad" if bad or lane.alarm is not None else "warning" if lane.state == "deferred" else ""
        yield PartnerCard(
            lane.partner,
            names.get(lane.partner) or "",
            lane.state,
            sums.get((lane.partner, "way"), 0),
            sums.get((lane.partner, "arrived"), 0),
            sums.get((lane.partner, "received"), 0),
            kind,
        )
