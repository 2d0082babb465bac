"""Requests: what people asked, what waits for a second person, and the second person's decision."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from gateway.administration.requests import asking
from gateway.administration.views.requests import RequestView, listed, story
from gateway.administration.views.words import describe
from gateway.console.listing import PAGE_ROWS, Cell, Column, Filter, Line, Titled, listing
from gateway.console.rooms.transfers import TimelineItem
from gateway.console.visits import Visit
from gateway.domain.people import Right
from gateway.domain.requests import READING, Act, RequestState
from gateway.errors import NotFound, RightMissing, UsageWrong

_COLUMNS: Final = (
    Column("Asked"),
    Column("What"),
    Column("About"),
    Column("By"),
    Column("Second person"),
    Column("State"),
)
WORDS: Final = {
    Act.HOLD: "Hold",
    Act.RELEASE: "Release",
    Act.RETRY: "Try again now",
    Act.RETURN: "Return",
    Act.ACCEPT: "Accept as the back office",
    Act.REJECT: "Reject as the back office",
    Act.DISCARD: "Discard",
    Act.CHECK: "Check a file",
    Act.SEND: "Send a file",
    Act.FETCH: "Take a delivered file",
    Act.OPEN: "Look at a payload",
}
_WAITS: Final = {
    RequestState.PROPOSED: "Another person with the same right has to agree. You are told here what becomes of it.",
    RequestState.ASKED: "The role that carries it out has been told: this takes seconds while the gateway runs.",
}


def all_requests(visit: Visit) -> Response:
    """What people asked, the newest first."""
    site = visit.console
    wanted = visit.query.get("state", "")
    states = [state for state in RequestState if state == wanted]
    with site.reading() as connection:
        found = listed(
            site.settings,
            connection,
            PAGE_ROWS,
            states=states,
            but=READING,
            after=_number(visit.query.get("after")),
            before=_number(visit.query.get("before")),
        )
    query = {"state": str(states[0])} if states else {}
    shown = listing(
        "/requests",
        query,
        _COLUMNS,
        [_line(each) for each in found.rows],
        previous=_text(found.before),
        following=_text(found.after),
        empty="Nobody has asked for anything." if not states else "There is no such request.",
    )
    return visit.page(
        "listed",
        heading="Requests",
        intro="What people asked for. Release and discard take two people: one asks, another agrees.",
        links=(),
        filters=[
            Filter("state", "State", wanted, tuple((str(state), str(state).capitalize()) for state in RequestState))
        ],
        path="/requests",
        listings=[Titled("", shown)],
    )


def one(visit: Visit) -> Response:
    """What became of a request, and what may be done about it."""
    return _shown(visit, "")


def decide(visit: Visit) -> Response:
    """Agree, decline, or withdraw: by the button that was pressed."""
    site, identity, reason = visit.console, visit.path["id"], visit.form.get("reason", "")
    try:
        match visit.form.get("decision"):
            case "agree":
                asking.agree(site.settings, site.ledger, identity, visit.user, reason)
            case "decline":
                asking.decline(site.ledger, identity, visit.user, reason)
            case "withdraw":
                asking.withdraw(site.ledger, identity, visit.user, reason)
            case _:
                raise NotFound("that is no decision")
    except (RightMissing, UsageWrong) as error:
        return _shown(visit, error.reason)
    return visit.to(f"/requests/{identity}")


def _shown(visit: Visit, fault: str) -> Response:
    with visit.console.reading() as connection:
        found = story(visit.console.settings, connection, visit.path["id"])
    about = found.request
    if about.act in READING and about.actor != visit.user and not visit.may(Right.AUDIT):
        raise NotFound("who asked to see or send what is for themselves and for auditors")
    act = next(act for act in Act if act == about.act)
    is_open = about.state == RequestState.PROPOSED
    return visit.page(
        "asked",
        422 if fault else 200,
        about=about,
        words=WORDS[act],
        waits=_WAITS.get(RequestState(about.state), ""),
        rows=[
            ("About", about.subject),
            ("Asked by", about.actor),
            ("Why", about.reason),
            ("Second person", about.decider),
            ("Their reason", about.decider_reason),
            ("Lapses", about.ends),
            ("Is now", about.became),
        ],
        path=_path(about),
        events=[TimelineItem(each.at, describe(each.event, each.detail), each.role) for each in found.events],
        may_decide=is_open and about.actor != visit.user and visit.may(act.right),
        may_withdraw=is_open and about.actor == visit.user,
        fault=fault,
        reason_given=visit.form.get("reason", ""),
    )


def _line(each: RequestView) -> Line:
    act = next(act for act in Act if act == each.act)
    return Line(
        (
            Cell(each.asked, moment=True),
            Cell(WORDS[act], f"/requests/{each.id}"),
            Cell(each.subject),
            Cell(each.actor),
            Cell(each.decider or ("not needed" if each.people != 2 else "–")),
            Cell(each.state, tag=True),
        ),
        {},
    )


def _path(about: RequestView) -> str | None:
    if about.unit is None:
        return None
    return {"transfer": f"/transfers/{about.unit}", "consignment": f"/consignments/{about.unit}"}.get(about.kind or "")


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() and len(text) < 18 else None


def _text(place: int | None) -> str | None:
    return None if place is None else str(place)
