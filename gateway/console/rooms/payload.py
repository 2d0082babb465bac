"""Looking at a payload, or at what is in quarantine: a reason first, then what a role rendered of it. The file itself is never given out.

The opening is recorded before anything is shown; what the console has of the payload is gone after minutes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from starlette.responses import Response

from gateway.administration.looking.opening import QUARANTINE, TRANSFER, Wanted, open_payload, require_acknowledged
from gateway.administration.requests import asking
from gateway.administration.views.quarantine import one as quarantined
from gateway.console.rendering import address, tail
from gateway.console.renderings import answered, waiting, whole_file
from gateway.console.visits import Visit
from gateway.domain.checks import CaseFacts
from gateway.domain.requests import Act, RequestState
from gateway.domain.shown import (
    FINDINGS,
    KEPT_SECONDS,
    META,
    Findings,
    Kind,
    Node,
    Shown,
    page_name,
    read_findings,
    read_form,
    read_rows,
    read_shown,
    read_words,
    words_name,
)
from gateway.errors import NotFound, RightMissing, UsageWrong
from gateway.ledger.queries.identities import find_transfer
from gateway.ledger.tables import FILE
from gateway.ledger.units import Request

_LARGEST: Final = 999_999_999


@dataclass(frozen=True)
class Subject:
    """What is looked at: `kind` is TRANSFER or QUARANTINE, `path` the address of its page, and `act` what is asked for it. `said` are lines
    of a summary, and `why` why it was locked away.
    """

    kind: str
    id: str
    name: str
    caption: str
    path: str
    act: Act
    said: tuple[tuple[str, str], ...]
    why: str = ""

    @property
    def sealed(self) -> bool:
        return self.act is Act.EXAMINE_SEALED


def form(visit: Visit) -> Response:
    """The form that asks why."""
    return _form(visit, _subject(visit))


def ask(visit: Visit) -> Response:
    """Ask for it to be rendered, by the role that may read it."""
    site, what = visit.console, _subject(visit)
    with site.reading() as connection:
        require_acknowledged(connection, visit.user)
    first = visit.form.get("first", "").strip() or "1"
    if not first.isdecimal() or not 1 <= int(first[:10]) <= _LARGEST:
        return _form(visit, what, first_fault="Give a whole number from 1.")
    subject = what.id if int(first) == 1 or what.sealed else f"{what.id}:{int(first)}"
    try:
        identity = asking.ask(site.settings, site.ledger, what.act, subject, visit.user, visit.form.get("reason", ""))
    except (RightMissing, UsageWrong) as error:
        return _form(visit, what, fault=error.reason)
    return visit.to(f"{what.path}/payload/{identity}")


def one(visit: Visit) -> Response:
    """What was rendered, page by page; or of a sealed file, what it begins as."""
    what = _subject(visit)
    request = _asked(visit, what)
    path = f"{what.path}/payload/{request.id}"
    if request.state is RequestState.ASKED:
        return waiting(visit, "Preparing what is in it", path, request)
    if what.sealed:
        return _sealed(visit, what, request, path)
    directory = visit.console.settings.home.shown / request.id
    content = whole_file(directory / META) if request.state is RequestState.DONE else None
    if content is None:
        return visit.page("payload_gone", about=what, request=request)
    shown = read_shown(content)
    if visit.console.openings.record(request.id, partial(_record, visit, request, what, shown)):
        return visit.to(path)  # a check that was drawn is over that page
    page = _page(visit, shown)
    return visit.page(
        "payload",
        about=what,
        shown=shown,
        findings=_findings(directory, what),
        page=page,
        path=path,
        noun="page" if shown.kind is Kind.PICTURES else "record",
        previous=address(path, page=page - 1) if page > 1 else None,
        next=address(path, page=page + 1) if page < shown.pages else None,
        **_content(directory, shown, page),
    )


def picture(visit: Visit) -> Response:
    """A page of a PDF as a picture, where its opening is recorded."""
    request, text = _asked(visit, _subject(visit)), visit.path["page"]
    if request.id in visit.console.openings and text.isdecimal() and len(text) <= 2:
        name = page_name(int(text), Kind.PICTURES)
        content = whole_file(visit.console.settings.home.shown / request.id / name)
        if content is not None:
            return Response(content, media_type="image/png")
    raise NotFound("there is no such picture")


def _sealed(visit: Visit, what: Subject, request: Request, path: str) -> Response:
    """The words of the vault; the ledger has them for good, and the page for as long as a rendering stays."""
    if request.state is not RequestState.DONE or not 0 <= visit.console.now - request.updated < KEPT_SECONDS:
        return visit.page("payload_gone", about=what, request=request)
    if visit.console.openings.record(request.id, partial(_record, visit, request, what, None)):
        return visit.to(path)
    return visit.page("payload_sealed", about=what, words=request.became)


def _record(visit: Visit, request: Request, what: Subject, shown: Shown | None) -> None:
    """The line in the System Access Log; it may draw a management check."""
    site = visit.console
    cases = () if shown is None else shown.cases
    facts = [CaseFacts(case.birth, case.death, case.in_payment, case.sensitive) for case in cases]
    reference = None if shown is None else shown.reference
    wanted = Wanted(what.kind, what.id, request.reason, case_reference=reference)
    open_payload(site.settings, site.ledger, visit.user, wanted, facts)


def _findings(directory: Path, what: Subject) -> Findings | None:
    """What is wrong with a file in quarantine, by its flow's rules."""
    if what.kind != QUARANTINE:
        return None
    content = whole_file(directory / FINDINGS)
    return None if content is None else read_findings(content)


def _content(directory: Path, shown: Shown, page: int) -> dict[str, Any]:
    """What a page has to show; NotFound where it is gone by now."""
    name = page_name(page, shown.kind) if shown.kind is not Kind.PICTURES else words_name(page)
    content = whole_file(directory / name)
    if content is None:
        raise NotFound("it is not here any more: look at it once more, with a reason")
    made: dict[str, Any] = {"parts": (), "rows": None, "words": ""}
    match shown.kind:
        case Kind.PICTURES | Kind.BYTES:
            made["words"] = read_words(content)
        case Kind.FORM:
            made["parts"] = [
                (node, leaves, list(_parts(node.within) if node else ())) for node, leaves in _parts(read_form(content))
            ]
        case _:
            made["rows"] = read_rows(content)
    return made


def _parts(nodes: Iterable[Node]) -> Iterator[tuple[Node | None, tuple[Node, ...]]]:
    """Elements in their order, to be shown under headings: one that has others in it, or a run of those that have none."""
    for has_others, run in groupby(nodes, lambda node: bool(node.within)):
        if has_others:
            yield from ((node, ()) for node in run)
        else:
            yield None, tuple(run)


def _form(visit: Visit, what: Subject, fault: str = "", first_fault: str = "") -> Response:
    faults = {name: text for name, text in (("reason", fault), ("first", first_fault)) if text}
    return visit.page(
        "payload_why",
        422 if faults else 200,
        about=what,
        faults=faults,
        reason_given=visit.form.get("reason", ""),
        first=visit.form.get("first", "1"),
    )


def _subject(visit: Visit) -> Subject:
    """What the address is about: a transfer, or, below /quarantine, what is locked away."""
    with visit.console.reading() as connection:
        if "locked" not in visit.path:
            row = find_transfer(connection, visit.path["id"])
            said = (("File", row.name), ("Flow", row.flow), ("Partner", row.partner))
            caption = f"{row.flow}, {row.partner}"
            return Subject(TRANSFER, row.id, row.name, caption, f"/transfers/{row.id}", Act.OPEN, said)
        found = quarantined(connection, visit.path["locked"])
    if found.id != visit.path["locked"]:
        raise NotFound("give the whole id of what is in quarantine")
    act = Act.EXAMINE_FILE if found.kind == FILE else Act.EXAMINE_SEALED
    why = f"{found.reason} [{found.code}]"
    said = (("In quarantine", found.id), ("Partner", found.partner), ("Why", why))
    name, caption = f"{found.kind.capitalize()} {tail(found.id)}", f"In quarantine, {found.partner}"
    return Subject(QUARANTINE, found.id, name, caption, f"/quarantine/{found.id}", act, said, why)


def _asked(visit: Visit, what: Subject) -> Request:
    request = answered(visit, what.act, "request")
    if request.subject.partition(":")[0] != what.id:
        raise NotFound("that is a request for something else")
    return request


def _page(visit: Visit, shown: Shown) -> int:
    text = visit.query.get("page", "1")
    number = int(text) if text.isdecimal() and len(text) < 4 else 1
    return min(max(number, 1), max(shown.pages, 1))
