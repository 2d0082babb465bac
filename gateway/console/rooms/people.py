"""The people of a site: who they are, what they may do, and what an administrator changes about them."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from gateway.administration.credentials import links
from gateway.administration.people import roster
from gateway.administration.people.roster import Details
from gateway.administration.requests.asking import reason_text
from gateway.console.listing import Cell, Column, Filter, Line, Titled, simple
from gateway.console.visits import Visit
from gateway.domain.decision import Decision
from gateway.domain.people import PersonRole
from gateway.errors import GatewayError, Misuse, NotFound

_COLUMNS: Final = (
    Column("User id", "user"),
    Column("Name", "name"),
    Column("Unit", "unit"),
    Column("Roles"),
    Column("Agreement", "agreement"),
    Column("Training", "training"),
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
    lines = [
        Line(
            (
                Cell(each.user, f"/people/{each.user}"),
                Cell(each.name),
                Cell(each.unit),
                Cell(", ".join(each.roles)),
                Cell(each.agreement),
                Cell(each.training),
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
    return _form(visit, "")


def add(visit: Visit) -> Response:
    """Add somebody."""
    form = visit.form
    try:
        roster.add(visit.console.ledger, form.get("user", "").strip(), _roles(visit), _details(visit), _decision(visit))
    except Misuse as error:
        return _form(visit, _sentence(error))
    return visit.to(f"/people/{form['user'].strip()}")


def one(visit: Visit) -> Response:
    """One person, and what can be changed."""
    return _shown(visit, "")


def change(visit: Visit) -> Response:
    """Change, suspend, resume, remove, or make a link: by the button that was pressed."""
    user, ledger = visit.path["user"], visit.console.ledger
    link = ""
    try:
        decision = _decision(visit)
        match visit.form.get("decision"):
            case "change":
                roster.change(ledger, user, _roles(visit), _details(visit), decision)
            case "suspend":
                roster.suspend(ledger, user, decision)
            case "resume":
                roster.resume(ledger, user, decision)
            case "remove":
                roster.remove(ledger, user, decision)
            case "link":
                token = links.issue(visit.console.credentials, user, decision)
                link = links.address(visit.console.credentials, token)
            case _:
                raise NotFound("that is no decision")
    except Misuse as error:
        return _shown(visit, _sentence(error))
    return _shown(visit, "", link) if link else visit.to(f"/people/{user}")


def _form(visit: Visit, fault: str) -> Response:
    return visit.page(
        "person_add", 422 if fault else 200, fault=fault, given=visit.form, roles=ROLES, chosen=_names(visit)
    )


def _shown(visit: Visit, fault: str, link: str = "") -> Response:
    with visit.console.reading() as connection:
        person = roster.shown(roster.find(connection, visit.path["user"]))
    return visit.page(
        "person",
        422 if fault else 200,
        about=person,
        fault=fault,
        link=link,
        hours=visit.console.settings.console.link_hours,
        roles=ROLES,
        own=person.user == visit.user,
        reason_given=visit.form.get("reason", "") if fault else "",
    )


def _names(visit: Visit) -> list[str]:
    return [str(role) for role in PersonRole if visit.form.get(f"role-{role}")]


def _roles(visit: Visit) -> frozenset[PersonRole]:
    return frozenset(map(PersonRole, _names(visit)))


def _details(visit: Visit) -> Details:
    form = visit.form
    return Details(*(form.get(name, "").strip() or None for name in ("name", "unit", "agreement", "training")))


def _decision(visit: Visit) -> Decision:
    return Decision(visit.user, reason_text(visit.form.get("reason", "")))


def _sentence(error: GatewayError) -> str:
    return f"{error.reason[:1].upper()}{error.reason[1:].rstrip('.')}."
