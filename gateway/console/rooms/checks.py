"""Management checks and the System Access Log: whoever opened acknowledges and explains (LAST 1), a checking officer decides, and some
are looked at once more. Long because the log of openings, of which the checks are drawn, is here too.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Final

from starlette.responses import Response

from gateway.administration.looking import checking, last_forms, opening
from gateway.administration.looking.acting import SEES_ALL, words
from gateway.administration.looking.checking import CheckView, Sampled
from gateway.administration.people import roster
from gateway.console.files import MOST_LINES, csv_file, pdf_file
from gateway.console.listing import Cell, Column, Filter, Line, Titled, listing, place_of, simple
from gateway.console.rendering import tail, when
from gateway.console.visits import Visit
from gateway.domain.checks import CheckState, Quarter, Sample, quarter_of
from gateway.domain.identity import to_text
from gateway.domain.people import PersonState, Right
from gateway.errors import Misuse, NotFound
from gateway.ledger.check_units import Check, Opening
from gateway.ledger.queries.identities import find_transfer
from gateway.ledger.queries.incidents import incident_of_check
from gateway.ledger.store import Connection

_COLUMNS: Final = (
    Column("Drawn", "created", descends_first=True),
    Column("Check"),
    Column("Whose access", "user"),
    Column("Stands", "state"),
)
_LOG: Final = (Column("When"), Column("Who"), Column("What"), Column("Why"), Column("System"))
_SAMPLES: Final = (
    (Sample.SUPPORT, "Schedule of the support team"),
    (Sample.VALIDATION, "Quarterly validation"),
)
_LOG_CSV: Final = ("at", "user", "kind", "id", "partner", "flow", "reason", "system")
_SAMPLE_CSV: Final = tuple(each.name for each in fields(CheckView))


def listed(visit: Visit) -> Response:
    """What is outstanding: one's own, or for who decides and works on incidents everybody's."""
    with visit.console.reading() as connection:
        found = checking.outstanding(connection, visit.user)
    lists = [Titled("", simple("/checks", visit.query, _COLUMNS, _lines(found), "No check is outstanding."))]
    links = [("System Access Log", "/access-log")]
    if visit.may(Right.INCIDENT):
        links += [(title, f"/checks/sample/{which}") for which, title in _SAMPLES]
    return visit.page(
        "listed",
        heading="Management checks",
        intro="Some openings of payloads draw a check. Whoever opened acknowledges it and says which papers supported it; a checking officer decides.",
        links=links,
        filters=(),
        path="/checks",
        listings=lists,
    )


def one(visit: Visit) -> Response:
    """One check, and what is to be done about it."""
    return _shown(visit)


def act(visit: Visit) -> Response:
    """Acknowledge, explain, decide, or look once more: by the button that was pressed."""
    identity, ledger, text = visit.path["id"], visit.console.ledger, visit.form.get("reason", "")
    try:
        match visit.form.get("decision"):
            case "acknowledge":
                checking.acknowledge(ledger, visit.user, identity)
            case "explain":
                checking.explain(ledger, visit.user, identity, text)
            case "unsupported" if visit.form.get("sure") != "yes":
                words(text, "finding")
                return _shown(visit, sure=True)
            case "supported" | "unsupported" as decision:
                checking.decide(ledger, visit.user, identity, supported=decision == "supported", finding=text)
            case "agree" | "disagree" as decision:
                checking.validate(ledger, visit.user, identity, agreed=decision == "agree", remark=text)
            case _:
                raise NotFound("that is no decision")
    except Misuse as error:
        if isinstance(error, NotFound):
            raise
        return _shown(visit, error.reason)
    return visit.to(f"/checks/{identity}")


def sample(visit: Visit) -> Response:
    """The checks of a quarter that are looked at once more."""
    which, quarters, found = _sampled(visit)
    wanted, path = found.quarter, f"/checks/sample/{which}"
    return visit.page(
        "listed",
        heading=dict(_SAMPLES)[which],
        intro=f"{wanted}: {len(found.chosen)} of {found.decided} decided checks, chosen by a keyed digest: nobody here can choose them.",
        links=[("Management checks", "/checks"), ("Download as CSV", f"{path}.csv?quarter={wanted}")],
        filters=[Filter("quarter", "Quarter", str(wanted), tuple((str(each), str(each)) for each in quarters), "")],
        path=path,
        listings=[
            Titled("", simple(path, visit.query, _COLUMNS, _lines(found.chosen), "No check of that quarter is chosen."))
        ],
    )


def sample_as_csv(visit: Visit) -> Response:
    """The same checks as CSV, for whoever looks at them elsewhere: without names, cases and words."""
    which, _, found = _sampled(visit)
    views = map(checking.shown, found.chosen)
    rows = ([getattr(view, name) for name in _SAMPLE_CSV] for view in views)
    return csv_file(f"{which}-{visit.site}-{found.quarter}", _SAMPLE_CSV, rows)


def _sampled(visit: Visit) -> tuple[Sample, list[Quarter], Sampled]:
    """Which sample, the quarters that can be asked for, and the checks of the one that is."""
    which = next((each for each, _ in _SAMPLES if each == visit.path["which"]), None)
    if which is None:
        raise NotFound("there is no such sample")
    site = visit.console
    last = quarter_of(site.now).before
    quarters = [last, last.before, last.before.before, last.before.before.before]
    wanted = next((each for each in quarters if str(each) == visit.query.get("quarter")), last)
    with site.reading() as connection:
        return which, quarters, checking.sample(connection, site.settings.checks, wanted, which, site.now)


def last_1(visit: Visit) -> Response:
    """LAST 1 on paper."""
    with visit.console.reading() as connection:
        content = last_forms.last_1(connection, visit.user, visit.path["id"])
    return pdf_file(f"LAST-1-{visit.path['id']}", content)


def last_3(visit: Visit) -> Response:
    """LAST 3 on paper."""
    with visit.console.reading() as connection:
        content = last_forms.last_3(connection, visit.user, visit.path["id"])
    return pdf_file(f"LAST-3-{visit.path['id']}", content)


def access_log_as_csv(visit: Visit) -> Response:
    """The System Access Log as CSV, the newest first; at most 100,000 lines."""
    return csv_file(f"access-log-{visit.site}-{visit.console.now_text[:10]}", _LOG_CSV, _log_lines(visit))


def _log_lines(visit: Visit) -> Iterator[list[object]]:
    before, written = None, 0
    while written < MOST_LINES:
        found = _logged(visit, before)
        for each in found:
            yield [
                *(to_text(each.created), each.user, each.kind, each.unit, each.partner, each.flow),
                *(each.reason or "erased", each.system),
            ]
        if not found:
            return
        written, before = written + len(found), found[-1].key


def _logged(visit: Visit, before: int | None) -> Sequence[Opening]:
    """A page of the log: of one's own openings, or for who checks, audits or works on incidents everybody's."""
    sees_all = any(visit.may(right) for right in SEES_ALL)
    with visit.console.reading() as connection:
        return opening.access_log(connection, visit.user, of=None if sees_all else visit.user, before=before)


def access_log(visit: Visit) -> Response:
    """The System Access Log: one's own openings, or for who checks, audits or works on incidents everybody's."""
    found = _logged(visit, place_of(visit.query.get("after")))
    lines = [
        Line(
            (
                Cell(to_text(each.created), moment=True),
                Cell(each.user),
                Cell(
                    f"{each.kind} {tail(each.unit)}",
                    f"/transfers/{each.unit}" if each.kind == opening.TRANSFER else None,
                ),
                Cell(each.reason or "erased"),
                Cell(each.system),
            ),
            {},
        )
        for each in found
    ]
    shown = listing(
        "/access-log",
        {},
        _LOG,
        lines,
        following=str(found[-1].key) if len(found) >= 500 else None,
        empty="Nobody has opened a payload.",
    )
    return visit.page(
        "listed",
        heading="System Access Log",
        intro="LAST 2: who opened which payload, when, and why.",
        links=[("Management checks", "/checks"), ("Download as CSV", "/access-log.csv")],
        filters=(),
        path="/access-log",
        listings=[Titled("", shown)],
    )


def _shown(visit: Visit, fault: str = "", *, sure: bool = False) -> Response:
    with visit.console.reading() as connection:
        found = checking.check_seen(connection, visit.user, visit.path["id"])
        opener = roster.find(connection, found.user)
        came = incident_of_check(connection, found.id)
        about, path = _about(connection, found)
    own = found.user == visit.user
    can_explain = opener.state is PersonState.ACTIVE
    waits = ""
    buttons: Sequence[tuple[str, str]] = ()
    if own and found.state is CheckState.DRAWN:
        buttons = (("acknowledge", "Acknowledge"),)
    elif own and found.state is CheckState.ACKNOWLEDGED:
        buttons = (("explain", "Send LAST 1"),)
    elif not own and visit.may(Right.CHECK) and found.state is not CheckState.DECIDED:
        if found.state is CheckState.EXPLAINED or not can_explain:
            buttons = (("supported", "The evidence supports it"), ("unsupported", "It does not: LAST 3"))
        else:
            step = "acknowledge the check, and explain it" if found.state is CheckState.DRAWN else "explain it"
            waits = f"{found.user} has to {step} first (LAST 1). You decide after that."
    elif (
        not own
        and visit.may(Right.INCIDENT)
        and found.state is CheckState.DECIDED
        and found.validated is None
        and found.decided_by != visit.user
    ):
        buttons = (("agree", "Agree"), ("disagree", "Disagree"))
    rows = [
        ("Whose access", f"{found.user}, {found.name}{'' if can_explain else f': {opener.state}'}"),
        ("Opening unit", found.unit),
        *about,
        ("Case, the first that was shown", None if path.endswith(found.case_reference) else found.case_reference),
        ("Drawn", when(to_text(found.created))),
        ("Papers (LAST 1)", found.explanation),
        ("Checking officer", found.decided_by),
        ("Found", found.finding),
        ("Supported", None if found.supported is None else "yes" if found.supported else "no: LAST 3"),
        ("Looked at once more by", found.validated_by),
        ("Remark", found.remark),
    ]
    label = {"explain": "Which papers supported the access", "supported": "What the papers show", "agree": "Remark"}
    prints: list[tuple[str, str]] = []
    if found.explanation:
        prints.append(("LAST 1 as PDF", f"/checks/{found.id}/last-1.pdf"))
    if found.finding and found.supported is False and not own:
        prints.append(("LAST 3 as PDF", f"/checks/{found.id}/last-3.pdf"))
    links: list[tuple[str, str]] = []
    if path and visit.may(Right.LOOK):
        links.append(("What was opened", path))
    if came is not None and not own and visit.may(Right.INCIDENT):
        links.append((f"The incident that came of it, {tail(came.id)}", f"/incidents/{came.id}"))
    return visit.page(
        "check",
        422 if fault else 200,
        about=found,
        prints=prints,
        links=links,
        waits=waits,
        sure=sure,
        rows=[row for row in rows if row[1] is not None],
        buttons=buttons,
        label=label.get(buttons[0][0], "") if buttons else "",
        fault=fault,
        reason_given=visit.form.get("reason", ""),
    )


def _about(connection: Connection, check: Check) -> tuple[list[tuple[str, str]], str]:
    """What was opened and why, and where its page is; nothing once the time of that line of the access log is over."""
    try:
        opened = opening.opened_by(connection, check.opening, check.user)
        is_file = opened.kind == opening.TRANSFER
        name = find_transfer(connection, opened.unit).name if is_file else f"In quarantine, {tail(opened.unit)}"
    except NotFound:
        return [], ""
    rows = [
        ("File", name),
        ("Flow and partner", ", ".join(each for each in (opened.flow, opened.partner) if each)),
        ("Opened", when(to_text(opened.created))),
        ("Why (LAST 2)", opened.reason or "erased"),
    ]
    return rows, f"/{'transfers' if is_file else 'quarantine'}/{opened.unit}"


def _lines(found: Sequence[Check]) -> list[Line]:
    return [
        Line(
            (
                Cell(to_text(each.created), moment=True),
                Cell(tail(each.id), f"/checks/{each.id}"),
                Cell(each.user),
                Cell(str(each.state), tag=True),
            ),
            {"created": each.created, "user": each.user, "state": str(each.state)},
        )
        for each in found
    ]
