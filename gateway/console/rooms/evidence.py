"""Evidence of one transfer: asked for with a reason, made and signed by the vault, taken away by whoever asked, within an hour.

Every taking is recorded before a byte is given. The console has no key, and sees nothing of the vault's but this file.
"""

from __future__ import annotations

from typing import Any, Final

from starlette.responses import Response

from gateway.administration.requests import asking, proving
from gateway.administration.views.records import transfer
from gateway.administration.views.requests import story
from gateway.console.renderings import answered, streamed, waiting
from gateway.console.visits import Visit
from gateway.domain.requests import Act, RequestState
from gateway.errors import NotFound, RightMissing, UsageWrong
from gateway.ledger.queries.identities import find_transfer
from gateway.ledger.units import Request, Transfer

_MADE: Final = "evidence.made"


def form(visit: Visit) -> Response:
    """The form that asks why."""
    return _form(visit, "")


def ask(visit: Visit) -> Response:
    """Ask the vault to make it."""
    site, row = visit.console, _transfer(visit)
    try:
        identity = asking.ask(
            site.settings, site.ledger, Act.EVIDENCE, row.id, visit.user, visit.form.get("reason", "")
        )
    except (RightMissing, UsageWrong) as error:
        return _form(visit, error.reason)
    return visit.to(f"/transfers/{row.id}/evidence/{identity}")


def one(visit: Visit) -> Response:
    """What was made, and how it is checked."""
    request, row = _asked(visit), _transfer(visit)
    path = f"/transfers/{row.id}/evidence/{request.id}"
    if request.state is RequestState.ASKED:
        return waiting(visit, "Making the evidence", path, request)
    made = _made(visit, request)
    there = made is not None and visit.console.settings.home.proofs.joinpath(f"{request.id}.zip").is_file()
    return visit.page("evidence", about=transfer(row), request=request, made=made, there=there, path=path)


def take(visit: Visit) -> Response:
    """The file, once it is recorded that it is taken."""
    request, row = _asked(visit), _transfer(visit)
    made = _made(visit, request)
    if made is not None:
        path = visit.console.settings.home.proofs / f"{request.id}.zip"
        found = streamed(
            path,
            made["bytes"],
            f"evidence-{row.id}.zip",
            "application/zip",
            lambda: proving.take(visit.console.ledger, request, visit.user),
        )
        if found is not None:
            return found
    raise NotFound("it is not here any more: evidence is kept for an hour, and can be asked for again")


def _made(visit: Visit, request: Request) -> dict[str, Any] | None:
    """What the event of its making says."""
    with visit.console.reading() as connection:
        events = story(visit.console.settings, connection, request.id).events
    return next((dict(each.detail) for each in events if each.event == _MADE), None)


def _form(visit: Visit, fault: str) -> Response:
    return visit.page(
        "evidence_why",
        422 if fault else 200,
        about=transfer(_transfer(visit)),
        faults={"reason": fault} if fault else {},
        reason_given=visit.form.get("reason", ""),
    )


def _transfer(visit: Visit) -> Transfer:
    with visit.console.reading() as connection:
        return find_transfer(connection, visit.path["id"])


def _asked(visit: Visit) -> Request:
    request = answered(visit, Act.EVIDENCE, "request")
    if request.subject != visit.path["id"]:
        raise NotFound("that is a request for another transfer")
    return request
