"""The people of a site: who they are, what they may do, and what administrators change about them.

One administrator adds somebody without roles, records dates, suspends and removes. Roles, a resumption, and a link for somebody who has
a role are asked for, and another administrator agrees (`rooms.asked`). Nobody changes anything about themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from starlette.responses import Response

from gateway.administration.credentials.reminders import password_ends
from gateway.administration.people import roster
from gateway.administration.people.roster import Details, PersonView
from gateway.administration.requests import about_people
from gateway.administration.requests.asking import reason_text
from gateway.administration.views.suspensions import suspensions
from gateway.console.listing import Cell, Column, Filter, Line, Titled, simple
from gateway.console.rendering import brief, sentence
from gateway.console.visits import Visit
from gateway.domain.decision import Decision
from gateway.domain.people import PersonRole, require_user
from gateway.errors import Misuse, NotFound, RightMissing

_COLUMNS: Final = (
    Column("User id", "user"),
    Column("Name", "name"),
    Column("Unit", "unit"),
    Column("Roles"),
    Column("Agreement", "agreement"),
    Column("Training", "training"),
    Column("Password until"),
    Column("State", "state"),
)
ROLES: Final = (
    (PersonRole.OPERATOR, "Sees transfers and payloads, sends, holds, answers as the back office"),
    (PersonRole.SUPERVISOR, "As an operator; releases and discards with a second person, evidence, incidents"),
    (PersonRole.CHECKING_OFFICER, "Decides management checks of others' accesses"),
    (PersonRole.SECURE_PRINT, "Prints the daily report of checks; held alone"),
    (PersonRole.AUDITOR, "Sees transfers, evidence and the audit chain; changes nothing"),
    (PersonRole.ADMINISTRATOR, "People, partners, configuration; decides nothing about files"),
)


def listed(visit: Visit) -> Response:
    """Everybody."""
    every = visit.query.get("left") == "yes"
    with visit.console.reading() as connection:
        found = [roster.shown(person) for person in roster.listed(connection, left=every)]
    ends = password_ends(visit.console.credentials)
    lines = [
        Line(
            (
                Cell(each.user, f"/people/{each.user}"),
                Cell(each.name),
                Cell(each.unit),
                Cell(", ".join(each.roles)),
                Cell(each.agreement),
                Cell(each.training),
                Cell(brief(ends.get(each.user))),
                Cell(each.state, tag=True),
            ),
            vars(each),
        )
        for each in found
    ]
    return visit.page(
        "listed",
        heading="People",
        intro="",
        links=[("Add somebody", "/people/add")],
        filters=[Filter("left", "Show", "yes" if every else "", (("yes", "Those who have left too"),), "Who is here")],
        path="/people",
        listings=[Titled("", simple("/people", visit.query, _COLUMNS, lines, "Nobody yet."))],
    )


def add_form(visit: Visit) -> Response:
    """The form that adds somebody."""
    return _form(visit, {})


def add(visit: Visit) -> Response:
    """Add somebody, without a role."""
    user = visit.form.get("user", "").strip()
    faults = dict(_faults(visit, user))
    if faults:
        return _form(visit, faults)
    try:
        roster.add(visit.console.ledger, user, (), _details(visit), _decision(visit))
    except Misuse as error:
        return _form(visit, {"user": sentence(error)})
    return visit.to(f"/people/{user}")


def one(visit: Visit) -> Response:
    """One person, and what can be changed."""
    return _shown(visit, {})


def change(visit: Visit) -> Response:
    """Record dates, suspend, remove, make a link, or ask for a link or a resumption: by the button that was pressed."""
    user, site = visit.path["user"], visit.console
    _require_other(visit)
    try:
        decision = _decision(visit)
        asked = (site.settings, site.ledger, user, visit.user, visit.form.get("reason", ""))
        match visit.form.get("decision"):
            case "change":
                roster.change(site.ledger, user, None, _details(visit), decision)
            case "suspend":
                roster.suspend(site.ledger, user, decision)
            case "remove" if visit.form.get("sure") != "yes":
                return _shown(visit, {}, leaving=True)
            case "remove":
                roster.remove(site.ledger, user, decision)
            case "resume":
                return visit.to(f"/requests/{about_people.ask_to_resume(*asked)}")
            case "link" if _has_roles(visit):
                return visit.to(f"/requests/{about_people.ask_for_link(*asked)}")
            case "link":
                link = about_people.issue_link(site.credentials, user, visit.user, visit.form.get("reason", ""))
                return _shown(visit, {}, link)
            case _:
                raise NotFound("that is no decision")
    except Misuse as error:
        return _shown(visit, {"reason": sentence(error)})
    return visit.to(f"/people/{user}")


def roles_form(visit: Visit) -> Response:
    """The form that asks for other roles."""
    _require_other(visit)
    return _roles_form(visit, "")


def ask_for_roles(visit: Visit) -> Response:
    """Ask for them."""
    site, reason = visit.console, visit.form.get("reason", "")
    _require_other(visit)
    try:
        asked = about_people.ask_for_roles(
            site.settings, site.ledger, visit.path["user"], frozenset(_chosen(visit)), visit.user, reason
        )
    except Misuse as error:
        return _roles_form(visit, sentence(error))
    return visit.to(f"/requests/{asked}")


def _form(visit: Visit, faults: dict[str, str]) -> Response:
    return visit.page("person_add", 422 if faults else 200, faults=faults, given=visit.form)


def _faults(visit: Visit, user: str) -> Iterator[tuple[str, str]]:
    """What is wrong with each field of somebody new, by the rules of the roster."""
    now = visit.console.now
    details = _details(visit)
    checks: list[tuple[str, Callable[[], object]]] = [
        ("user", lambda: require_user(user)),
        ("name", lambda: roster.Details(name=details.name or "").checked(now)),
        ("unit", lambda: roster.Details(unit=details.unit or "").checked(now)),
        ("agreement", lambda: roster.Details(agreement=details.agreement).checked(now)),
        ("training", lambda: roster.Details(training=details.training).checked(now)),
        ("reason", lambda: _decision(visit)),
    ]
    for field, check in checks:
        try:
            check()
        except Misuse as error:
            yield field, sentence(error)


def _roles_form(visit: Visit, fault: str) -> Response:
    person = _person(visit)
    return visit.page(
        "person_roles",
        422 if fault else 200,
        about=person,
        fault=fault,
        roles=ROLES,
        chosen=_chosen(visit) if fault else person.roles,
        reason_given=visit.form.get("reason", ""),
    )


def _shown(visit: Visit, faults: dict[str, str], link: str = "", *, leaving: bool = False) -> Response:
    with visit.console.reading() as connection:
        found = roster.find(connection, visit.path["user"])
        person = roster.shown(found)
        why = suspensions(connection, person.user)[-1:] if person.state == "suspended" else []
    return visit.page(
        "person",
        422 if faults else 200,
        about=person,
        why=why[0] if why else None,
        faults=faults,
        leaving=leaving,
        link=link,
        hours=visit.console.settings.console.link_hours,
        own=person.user == visit.user,
        reason_given=visit.form.get("reason", "") if faults or leaving else "",
    )


def _person(visit: Visit) -> PersonView:
    with visit.console.reading() as connection:
        return roster.shown(roster.find(connection, visit.path["user"]))


def _require_other(visit: Visit) -> None:
    """RightMissing for what somebody would decide about themselves."""
    if visit.path["user"] == visit.user:
        raise RightMissing("nobody decides about themselves: another administrator does")


def _has_roles(visit: Visit) -> bool:
    return bool(_person(visit).roles)


def _chosen(visit: Visit) -> list[PersonRole]:
    return [role for role in PersonRole if visit.form.get(f"role-{role}")]


def _details(visit: Visit) -> Details:
    form = visit.form
    return Details(*(form.get(name, "").strip() or None for name in ("name", "unit", "agreement", "training")))


def _decision(visit: Visit) -> Decision:
    return Decision(visit.user, reason_text(visit.form.get("reason", "")))
