"""Requests: what people asked, what waits for a second person, and the second person's decision.

Long because one page tells of every act in that act's own words.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from starlette.responses import Response

from gateway.administration.people import roster
from gateway.administration.requests import about_people, asking, cards
from gateway.administration.views.held_back import HeldBack, held_back
from gateway.administration.views.requests import RequestStory, RequestView, listed, story
from gateway.console.listing import PAGE_ROWS, Cell, Column, Filter, Line, Titled, listing, place_of
from gateway.console.rendering import when
from gateway.console.rooms import passing_on, saved_filters
from gateway.console.rooms.retention import next_run
from gateway.console.timeline import timeline
from gateway.console.visits import Visit
from gateway.domain.identity import is_id
from gateway.domain.people import Person, Right, roles_text
from gateway.domain.redirect import read_wish
from gateway.domain.requests import PROVING, READING, Act, RequestState
from gateway.errors import NotFound, RightMissing, UsageWrong
from gateway.events import Event
from gateway.ledger.queries.identities import find_transfer
from gateway.ledger.store import Connection
from gateway.settings.values import address_text

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
    Act.CHANGE_ROLES: "Change roles",
    Act.RESUME: "Resume",
    Act.ISSUE_LINK: "One-time link",
    Act.INVOKE_CONTINUITY: "Invoke continuity",
    Act.UPDATE_CONTINUITY: "Say how continuity stands",
    Act.NOTE_TOLD: "Note who was told",
    Act.END_CONTINUITY: "End continuity",
    Act.HOLD_RETENTION: "Place a legal hold",
    Act.RELEASE_RETENTION: "End a legal hold",
    Act.DISPOSE: "Dispose",
    Act.TAKE_CARD: "Take a partner's card",
    Act.VERIFY: "Verify the site",
    Act.MAKE_STATEMENT: "Make a statement",
    Act.EVIDENCE: "Evidence of a transfer",
    Act.TEST_LINK: "Try a partner's link",
    Act.SUSPEND_PARTNER: "Suspend a partner",
    Act.RESUME_PARTNER: "Resume a partner",
    Act.CHECK: "Check a file",
    Act.SEND: "Send a file",
    Act.FETCH: "Take a delivered file",
    Act.OPEN: "Look at a payload",
    Act.EXAMINE_FILE: "Look at what is in quarantine",
    Act.EXAMINE_SEALED: "Look at what is in quarantine",
    Act.REDIRECT: "Pass on to the right authority",
}
_OWN: Final = (*READING, *PROVING)
"""Acts of which nobody but whoever asked, and auditors, is told: somebody may be looked into."""
_WAITS: Final = {
    RequestState.PROPOSED: "Another person with the same right has to agree.",
    RequestState.ASKED: "The role that carries it out has been told: this takes seconds while the gateway runs.",
}
_FIRST_ROLE: Final = "A password that they have set so far ends with their first role. Ask for a one-time link then: it takes two administrators."
_TRYING: Final = "The role that has the key tries the link, one after the other: this takes seconds, and up to some minutes where the server does not answer."

_BY_HAND: Final = "Somebody at the machine carries it out: gateway carry-out, then gateway reload."
_DISPOSAL: Final = "The next run of gateway retention does it and answers here."


def all_requests(visit: Visit) -> Response:
    """What people asked, the newest first, as far as it is the reader's business."""
    site = visit.console
    wanted = visit.query.get("state", "")
    states = [state for state in RequestState if state == wanted]
    with site.reading() as connection:
        found = listed(
            site.settings,
            connection,
            PAGE_ROWS,
            states=states,
            acts=shown_acts(visit),
            after=place_of(visit.query.get("after")),
            before=place_of(visit.query.get("before")),
        )
        lines = [_line(each, _name(visit, connection, each.subject)) for each in found.rows]
    query = {"state": str(states[0])} if states else {}
    shown = listing(
        "/requests",
        query,
        _COLUMNS,
        lines,
        previous=_text(found.before),
        following=_text(found.after),
        empty="Nobody has asked for anything." if not states else "There is no such request.",
    )
    return visit.page(
        "listed",
        heading="Requests",
        intro="What people asked for. Where it takes two people, one asks and another one with the same right agrees.",
        links=(),
        filters=[
            Filter("state", "State", wanted, tuple((str(state), str(state).capitalize()) for state in RequestState))
        ],
        path="/requests",
        listings=[Titled("", shown)],
        saved=saved_filters.of(visit, "/requests", query),
    )


save: Final = saved_filters.changes("/requests", ("state",), all_requests)


def one(visit: Visit) -> Response:
    """What became of a request, and what may be done about it."""
    return _shown(visit, "")


def decide(visit: Visit) -> Response:
    """Agree, decline, or withdraw: by the button that was pressed. Whether that person may is for the ledger to say."""
    site, identity, reason = visit.console, visit.path["id"], visit.form.get("reason", "")
    with site.reading() as connection:
        act = _told(visit, connection).act
    try:
        match visit.form.get("decision"):
            case "agree" if act.about_people:
                answered = about_people.agree(site.credentials, identity, visit.user, reason)
                if answered.link is not None:
                    return _shown(visit, "", answered.link)
            case "agree" if act is Act.TAKE_CARD:
                heard = visit.form.get("heard", "")
                cards.agree(site.settings, site.ledger, identity, visit.user, heard, reason)
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


def act_of(each: RequestView) -> Act:
    """Which act a request is for."""
    return next(act for act in Act if act == each.act)


def shown_acts(visit: Visit) -> tuple[Act, ...]:
    """The acts of which the reader sees what others asked."""
    return tuple(act for act in _seen(visit) if act not in _OWN)


def _seen(visit: Visit) -> tuple[Act, ...]:
    """The acts that are the reader's business: what is about people is for administrators and auditors."""
    return tuple(
        act for act in Act if visit.may(act.right) or visit.may(Right.AUDIT if act.about_people else Right.LOOK)
    )


@dataclass(frozen=True)
class _Told:
    act: Act
    story: RequestStory
    held_back: HeldBack | None
    name: str
    person: Person | None


def _told(visit: Visit, connection: Connection) -> _Told:
    found = story(visit.console.settings, connection, visit.path["id"])
    try:
        act = next(act for act in _seen(visit) if act == found.request.act)
    except StopIteration:
        raise NotFound(f"there is no request {visit.path['id'][:40]!r}") from None
    person = roster.find(connection, found.request.subject) if act.about_people else None
    about = found.request
    why = held_back(connection, act, about.subject) if about.state == RequestState.PROPOSED else None
    return _Told(act, found, why, _name(visit, connection, about.subject), person)


def _name(visit: Visit, connection: Connection, subject: str) -> str:
    """What a request is about, as people know it: a file's name, for who may read that."""
    identity = subject.partition(":")[0]  # behind it may stand from which record on
    if is_id(identity) and visit.may(Right.LOOK):
        with suppress(NotFound):
            return find_transfer(connection, identity).name
    return subject


def _shown(visit: Visit, fault: str, link: str = "") -> Response:
    with visit.console.reading() as connection:
        told = _told(visit, connection)
    act, found = told.act, told.story
    about = found.request
    if act in _OWN and about.actor != visit.user and not visit.may(Right.AUDIT):
        raise NotFound("who asked to see, send or prove what is for themselves and for auditors")
    is_open = about.state == RequestState.PROPOSED
    may_decide = is_open and visit.user not in (about.actor, about.subject) and visit.may(act.right)
    return visit.page(
        "asked",
        422 if fault else 200,
        about=about,
        words=WORDS[act],
        link=link,
        hours=visit.console.settings.console.link_hours,
        waits=_waits(visit, act, about, may_decide=may_decide),
        rows=[
            (name, value)
            for name, value in (
                ("About", told.name),
                *_whom(act, told.person, is_open=is_open),
                *_particulars(visit, act, about, whole=not may_decide),
                ("Asked by", about.actor),
                ("Why", about.reason),
                ("Second person", about.decider),
                ("Their reason", about.decider_reason),
                ("Lapses", when(about.ends)),
                # What the vault says of a sealed file is shown with its opening, on the page of that file alone.
                ("Is now", None if act is Act.EXAMINE_SEALED else about.became),
            )
            if value
        ],
        path=_path(visit, act, about),
        held_back=told.held_back,
        steps=[
            tuple(each.detail.get(key, "") for key in ("stage", "outcome", "reason", "code"))
            for each in found.events
            if each.event == Event.LINK_STEPPED
        ],
        events=timeline(
            replace(
                each, detail={key: value for key, value in each.detail.items() if key != "act"}
            )  # the heading has it
            for each in found.events
            if each.event != Event.LINK_STEPPED
        ),
        may_decide=may_decide,
        heard=cards.HEARD if act is Act.TAKE_CARD else 0,
        may_withdraw=is_open and about.actor == visit.user,
        fault=fault,
        reason_given=visit.form.get("reason", ""),
    )


def _waits(visit: Visit, act: Act, about: RequestView, *, may_decide: bool) -> str:
    """What it waits for, as it concerns whoever reads it."""
    state = RequestState(about.state)
    if may_decide:
        return "It waits for a second person, and you may be that person: agree or decline below."
    if state is RequestState.PROPOSED and about.actor == visit.user:
        return f"{_WAITS[state]} You are told here what becomes of it."
    if state is RequestState.ASKED and not act.by_stage:
        return f"{_DISPOSAL} {next_run(visit)}" if act is Act.DISPOSE else _BY_HAND
    if state is RequestState.ASKED and act is Act.TEST_LINK:
        return _TRYING
    return _WAITS.get(state, "")


def _whom(act: Act, person: Person | None, *, is_open: bool) -> Iterator[tuple[str, str]]:
    """Whom it is about, and of what waits for a second person what they have now."""
    if person is None:
        return
    yield "Name", person.name
    yield "Unit", person.unit
    if is_open:
        yield "Roles now", roles_text(person.roles)
        if act is Act.CHANGE_ROLES and not person.roles:
            yield "Signing in", _FIRST_ROLE


def _particulars(visit: Visit, act: Act, about: RequestView, *, whole: bool) -> Iterator[tuple[str, str | None]]:
    """What is asked for in particular; of a card, what it says, and the fingerprint, which who decides has to hear for themselves."""
    if act is Act.REDIRECT:
        wish = read_wish(about.argument)
        yield "To", dict(passing_on.authorities(visit.console.settings, "")).get(wish.to, wish.to)
        yield "Why it belongs there", passing_on.WHY[wish.why]
        yield "Who has seen it here", passing_on.OPENED[wish.opened]
    elif act is not Act.TAKE_CARD:
        if about.argument is not None:
            yield "Asked for", about.argument
    elif about.argument is not None:
        card = cards.card_of(about.argument)
        yield "Name", card.name
        addresses = () if card.endpoint is None else card.endpoint.addresses
        yield "Address", ", then ".join(address_text(*each) for each in addresses) or "none"
        yield "Card of", when(card.issued)
        yield "Fingerprint", cards.in_groups(card, whole=whole)


def _line(each: RequestView, name: str) -> Line:
    act = act_of(each)
    return Line(
        (
            Cell(each.asked, moment=True),
            Cell(WORDS[act], f"/requests/{each.id}"),
            Cell(name),
            Cell(each.actor),
            Cell(each.decider or ("not needed" if each.people != 2 else "–")),
            Cell(each.state, tag=True),
        ),
        {},
    )


def _path(visit: Visit, act: Act, about: RequestView) -> str | None:
    """Where the page of what it is about is, for whoever may see that."""
    if act.about_people:
        return f"/people/{about.subject}" if visit.may(Right.PEOPLE) else None
    if act.right is Right.CONTINUITY:
        return "/continuity" if visit.may(Right.CONTINUITY) else None
    if act.right is Right.RETENTION:
        return "/retention" if visit.may(Right.RETENTION) else None
    if act is Act.TAKE_CARD:
        return None if about.unit is None else f"/partners/{about.unit}"
    if act.right is Right.PARTNERS:
        return f"/partners/{about.subject}"
    if about.unit is None:
        return None
    if act in (Act.DISCARD, Act.EXAMINE_FILE, Act.EXAMINE_SEALED):
        return f"/quarantine/{about.unit}"
    return {"transfer": f"/transfers/{about.unit}", "consignment": f"/consignments/{about.unit}"}.get(about.kind or "")


def _text(place: int | None) -> str | None:
    return None if place is None else str(place)
