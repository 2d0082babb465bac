"""Forms that are no incident: system faults (LAST 5a), data queries (5b), changes of staff (LAST 6); and the secure print officer's page."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from gateway.administration.looking import forms, reporting
from gateway.console.files import pdf_file
from gateway.console.listing import Cell, Column, Line, Titled, simple
from gateway.console.visits import Visit
from gateway.domain.identity import to_text
from gateway.domain.incidents import FIELDS, TITLES, FormKind
from gateway.errors import Misuse, NotFound

_COLUMNS: Final = (Column("Filled in", "created", descends_first=True), Column("Form", "kind"), Column("By", "user"))
_PRINTED: Final = (
    Column("Day", "day", descends_first=True),
    Column("Copy", "copy", numeric=True),
    Column("By", "user"),
    Column("When", "created"),
)


def listed(visit: Visit) -> Response:
    """One's own forms; all of them for who works on incidents or looks after people."""
    with visit.console.reading() as connection:
        found = forms.forms(connection, visit.user)
    lines = [
        Line(
            (
                Cell(to_text(each.created), moment=True),
                Cell(TITLES[each.kind], f"/forms/pdf/{each.id}"),
                Cell(each.user),
            ),
            {"created": each.created, "kind": str(each.kind), "user": each.user},
        )
        for each in found
    ]
    return visit.page(
        "listed",
        heading="Forms",
        intro="A form goes into the ledger, and out as PDF.",
        links=[(f"Fill in: {TITLES[kind]}", f"/forms/{kind}") for kind in FormKind],
        filters=(),
        path="/forms",
        listings=[Titled("", simple("/forms", visit.query, _COLUMNS, lines, "No form was filled in."))],
    )


def form(visit: Visit) -> Response:
    """An empty form."""
    return _form(visit, _kind(visit), "")


def fill_in(visit: Visit) -> Response:
    """Put it into the ledger."""
    kind = _kind(visit)
    given = {field.name: visit.form.get(f"field-{field.name}", "") for field in FIELDS[kind]}
    try:
        forms.fill_in(visit.console.ledger, visit.user, kind, given)
    except Misuse as error:
        return _form(visit, kind, error.reason)
    return visit.to("/forms")


def as_pdf(visit: Visit) -> Response:
    """A form on paper."""
    with visit.console.reading() as connection:
        content = forms.pdf(connection, visit.user, visit.path["id"])
    return pdf_file(f"form-{visit.path['id'][:8]}", content)


def printing(visit: Visit) -> Response:
    """The days whose report of checks waits to be printed, and what was printed."""
    return _printing(visit, "")


def print_day(visit: Visit) -> Response:
    """A day's report, for the one time that it is printed; or one more copy, with a reason."""
    day, reason, ledger = visit.form.get("day", ""), visit.form.get("reason", ""), visit.console.ledger
    try:
        if visit.form.get("again") == "yes":
            printed = reporting.reprint_report(ledger, visit.user, day, reason)
        else:
            printed = reporting.print_report(ledger, visit.user, day)
    except Misuse as error:
        return _printing(visit, error.reason)
    return pdf_file(f"checks-{printed.day}-copy-{printed.copy}", printed.pdf)


def _printing(visit: Visit, fault: str) -> Response:
    site = visit.console
    with site.reading() as connection:
        days = reporting.days_to_print(connection, visit.user, site.now)
        done = reporting.printed(connection, visit.user)
    lines = [
        Line(
            (Cell(each.day), Cell(each.copy), Cell(each.user), Cell(to_text(each.created), moment=True)),
            {"day": each.day, "copy": each.copy, "user": each.user, "created": each.created},
        )
        for each in done
    ]
    return visit.page(
        "printing",
        422 if fault else 200,
        days=days,
        printed=simple("/print", visit.query, _PRINTED, lines, "Nothing was printed yet."),
        fault=fault,
    )


def _form(visit: Visit, kind: FormKind, fault: str) -> Response:
    return visit.page(
        "form",
        422 if fault else 200,
        kind=kind,
        heading=TITLES[kind],
        fields=FIELDS[kind],
        given=visit.form,
        fault=fault,
    )


def _kind(visit: Visit) -> FormKind:
    kind = next((kind for kind in FormKind if kind == visit.path["kind"]), None)
    if kind is None:
        raise NotFound("there is no such form")
    return kind
