"""Looking at a payload: a reason first, then what inspect rendered of it. The file itself is never given out.

The opening is recorded before anything is shown; what the console has of the payload is gone after minutes.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, Final

from starlette.responses import Response

from gateway.administration.looking.opening import TRANSFER, Wanted, open_payload, require_acknowledged
from gateway.administration.requests import asking
from gateway.administration.views.records import transfer
from gateway.console.rendering import address
from gateway.console.renderings import answered, waiting, whole_file
from gateway.console.visits import Visit
from gateway.domain.checks import CaseFacts
from gateway.domain.requests import Act, RequestState
from gateway.domain.shown import META, Kind, Shown, page_name, read_form, read_rows, read_shown, read_words, words_name
from gateway.errors import NotFound, RightMissing, UsageWrong
from gateway.ledger.queries.identities import find_transfer
from gateway.ledger.units import Request, Transfer

_LARGEST: Final = 999_999_999


def form(visit: Visit) -> Response:
    """The form that asks why."""
    return _form(visit)


def ask(visit: Visit) -> Response:
    """Ask inspect to render it."""
    site, row = visit.console, _transfer(visit)
    with site.reading() as connection:
        require_acknowledged(connection, visit.user)
    first = visit.form.get("first", "").strip() or "1"
    if not first.isdecimal() or not 1 <= int(first[:10]) <= _LARGEST:
        return _form(visit, first_fault="Give a whole number from 1.")
    subject = row.id if int(first) == 1 else f"{row.id}:{int(first)}"
    try:
        identity = asking.ask(site.settings, site.ledger, Act.OPEN, subject, visit.user, visit.form.get("reason", ""))
    except (RightMissing, UsageWrong) as error:
        return _form(visit, fault=error.reason)
    return visit.to(f"/transfers/{row.id}/payload/{identity}")


def one(visit: Visit) -> Response:
    """What was rendered, page by page."""
    request, row = _asked(visit), _transfer(visit)
    path = f"/transfers/{row.id}/payload/{request.id}"
    if request.state is RequestState.ASKED:
        return waiting(visit, "Preparing what is in it", path)
    directory = visit.console.settings.home.shown / request.id
    content = whole_file(directory / META) if request.state is RequestState.DONE else None
    if content is None:
        return visit.page("payload_gone", about=transfer(row), request=request)
    shown = read_shown(content)
    if visit.console.openings.record(request.id, partial(_record, visit, request, row, shown)):
        return visit.to(path)  # a check that was drawn is over that page
    page = _page(visit, shown)
    return visit.page(
        "payload",
        about=transfer(row),
        shown=shown,
        page=page,
        path=path,
        noun="page" if shown.kind is Kind.PICTURES else "record",
        previous=address(path, page=page - 1) if page > 1 else None,
        next=address(path, page=page + 1) if page < shown.pages else None,
        **_content(directory, shown, page),
    )


def picture(visit: Visit) -> Response:
    """A page of a PDF as a picture, where its opening is recorded."""
    request, text = _asked(visit), visit.path["page"]
    if request.id in visit.console.openings and text.isdecimal() and len(text) <= 2:
        name = page_name(int(text), Kind.PICTURES)
        content = whole_file(visit.console.settings.home.shown / request.id / name)
        if content is not None:
            return Response(content, media_type="image/png")
    raise NotFound("there is no such picture")


def _record(visit: Visit, request: Request, row: Transfer, shown: Shown) -> None:
    """The line in the System Access Log; it may draw a management check."""
    site = visit.console
    cases = [CaseFacts(case.birth, case.death, case.in_payment, case.sensitive) for case in shown.cases]
    wanted = Wanted(TRANSFER, row.id, request.reason, case_reference=shown.reference)
    open_payload(site.settings, site.ledger, visit.user, wanted, cases)


def _content(directory: Path, shown: Shown, page: int) -> dict[str, Any]:
    """What a page has to show; NotFound where it is gone by now."""
    name = page_name(page, shown.kind) if shown.kind is not Kind.PICTURES else words_name(page)
    content = whole_file(directory / name)
    if content is None:
        raise NotFound("it is not here any more: look at it once more, with a reason")
    made: dict[str, Any] = {"nodes": (), "rows": None, "words": ""}
    match shown.kind:
        case Kind.PICTURES:
            made["words"] = read_words(content)
        case Kind.FORM:
            made["nodes"] = read_form(content)
        case _:
            made["rows"] = read_rows(content)
    return made


def _form(visit: Visit, fault: str = "", first_fault: str = "") -> Response:
    faults = {name: text for name, text in (("reason", fault), ("first", first_fault)) if text}
    return visit.page(
        "payload_why",
        422 if faults else 200,
        about=transfer(_transfer(visit)),
        faults=faults,
        reason_given=visit.form.get("reason", ""),
        first=visit.form.get("first", "1"),
    )


def _transfer(visit: Visit) -> Transfer:
    with visit.console.reading() as connection:
        return find_transfer(connection, visit.path["id"])


def _asked(visit: Visit) -> Request:
    request = answered(visit, Act.OPEN, "request")
    if request.subject.partition(":")[0] != visit.path["id"]:
        raise NotFound("that is a request for another transfer")
    return request


def _page(visit: Visit, shown: Shown) -> int:
    text = visit.query.get("page", "1")
    number = int(text) if text.isdecimal() and len(text) < 4 else 1
    return min(max(number, 1), max(shown.pages, 1))
