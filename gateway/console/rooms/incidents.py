"""Incidents (LAST 4): opening one suspends whom it is about; every action is a line of its audit trail; it closes with an outcome."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from gateway.administration.looking import investigating, last_forms
from gateway.administration.people import roster
from gateway.administration.people.roster import PersonView
from gateway.administration.views.suspensions import suspensions
from gateway.console.files import pdf_file
from gateway.console.listing import Cell, Column, Filter, Line, Titled, simple
from gateway.console.rendering import counted, tail, when
from gateway.console.visits import Visit
from gateway.domain.identity import to_text
from gateway.domain.incidents import KIND_WORDS, IncidentKind, IncidentOutcome, IncidentState
from gateway.errors import Misuse, NotFound

_COLUMNS: Final = (
    Column("Opened", "opened", descends_first=True),
    Column("Incident"),
    Column("Kind", "kind"),
    Column("About", "user"),
    Column("State", "state"),
    Column("Outcome", "outcome"),
)
_OUTCOMES: Final = tuple((str(outcome), str(outcome).capitalize()) for outcome in IncidentOutcome)
_YEAR: Final = 365 * 86_400.0


def listed(visit: Visit) -> Response:
    """The open incidents, or all, and the year's figures."""
    every = visit.query.get("closed") == "yes"
    site = visit.console
    with site.reading() as connection:
        found = investigating.listed(connection, closed=every)
        year = investigating.figures(connection, site.now - _YEAR, site.now)
    lines = [
        Line(
            (
                Cell(each.opened, moment=True),
                Cell(tail(each.id), f"/incidents/{each.id}"),
                Cell(each.kind),
                Cell(each.user),
                Cell(each.state, tag=True),
                Cell(each.outcome),
            ),
            vars(each),
        )
        for each in found
    ]
    kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(year.kinds.items())) or "none"
    return visit.page(
        "listed",
        heading="Incidents",
        intro=f"In the last year: {counted(year.incidents, 'incident')} ({kinds}), {year.open} open, {year.central} reported centrally; "
        f"{counted(year.checks, 'check')} drawn, {year.decided} decided, {year.unsupported} not supported.",
        links=[("Open an incident", "/incidents/open")],
        filters=[Filter("closed", "Show", "yes" if every else "", (("yes", "Closed ones too"),), "Open ones")],
        path="/incidents",
        listings=[Titled("", simple("/incidents", visit.query, _COLUMNS, lines, "No incident is open."))],
    )


def open_form(visit: Visit) -> Response:
    """The form of a new incident."""
    return _form(visit, "")


def open_one(visit: Visit) -> Response:
    """Open it; whom it is about is suspended in the same moment."""
    form, about = visit.form, visit.form.get("about", "").strip() or None
    kind = next((kind for kind in IncidentKind if kind == form.get("kind")), None)
    if kind is None:
        return _form(visit, "Choose what happened.")
    try:
        if about is not None and form.get("sure") != about:
            with visit.console.reading() as connection:
                return _form(visit, "", roster.shown(roster.find(connection, about)))
        found = investigating.open_incident(
            visit.console.ledger,
            visit.user,
            kind,
            form.get("reason", ""),
            about=about,
            central=form.get("central") == "yes",
        )
    except Misuse as error:
        return _form(visit, error.reason)
    return visit.to(f"/incidents/{found.id}")


def one(visit: Visit) -> Response:
    """One incident with its trail."""
    return _shown(visit, "")


def as_pdf(visit: Visit) -> Response:
    """LAST 4."""
    with visit.console.reading() as connection:
        content = last_forms.last_4(connection, visit.user, visit.path["id"])
    return pdf_file(f"LAST-4-{visit.path['id']}", content)


def act(visit: Visit) -> Response:
    """Add a line to its trail, or close it: by the button that was pressed."""
    form, ledger, identity = visit.form, visit.console.ledger, visit.path["id"]
    try:
        match form.get("decision"):
            case "add":
                investigating.add_entry(ledger, visit.user, identity, form.get("reason", ""))
            case "close":
                outcome = next((each for each in IncidentOutcome if each == form.get("outcome")), None)
                if outcome is None:
                    return _shown(visit, "Choose an outcome.")
                central = form.get("central") == "yes"
                investigating.close(ledger, visit.user, identity, outcome, form.get("reason", ""), central=central)
            case _:
                raise NotFound("that is no decision")
    except Misuse as error:
        if isinstance(error, NotFound):
            raise
        return _shown(visit, error.reason)
    return visit.to(f"/incidents/{identity}")


def _form(visit: Visit, fault: str, sure: PersonView | None = None) -> Response:
    kinds = tuple(KIND_WORDS.items())
    return visit.page("incident_open", 422 if fault else 200, fault=fault, sure=sure, kinds=kinds, given=visit.form)


def _shown(visit: Visit, fault: str) -> Response:
    with visit.console.reading() as connection:
        found = investigating.incident(connection, visit.user, visit.path["id"])
        about = None if found.user is None else roster.find(connection, found.user)
        by_it = about is not None and any(each.incident == found.id for each in suspensions(connection, about.user))
    trail = [(each.at, each.user, each.text) for each in found.entries]
    trail.insert(
        0, (found.created, found.opened_by, f"Opened; {found.user} was suspended with it" if by_it else "Opened")
    )
    if found.closed is not None:
        trail.append((found.closed, found.closed_by or "", f"Closed: {found.outcome}"))
    rows = [
        ("Kind", KIND_WORDS[found.kind]),
        ("About", None if about is None else f"{about.user}, {about.state}"),
        ("Opened by", found.opened_by),
        ("Opened", when(to_text(found.created))),
        ("Reported centrally", "yes" if found.central else "no"),
        ("What happened", found.description),
        ("Outcome", found.outcome),
        ("Conclusion", found.conclusion),
        ("Closed by", found.closed_by),
    ]
    return visit.page(
        "incident",
        422 if fault else 200,
        about=found,
        rows=[row for row in rows if row[1] is not None],
        check=found.check_id,
        trail=[(to_text(at), user, text) for at, user, text in trail],
        is_open=found.state is IncidentState.OPEN,
        outcomes=_OUTCOMES,
        fault=fault,
        reason_given=visit.form.get("reason", ""),
    )
