"""Sending a file: it is uploaded, checked by inspect, and its findings shown; then it goes the way of a dropped file, on a second press."""

from __future__ import annotations

import shutil
from typing import Final

from starlette.responses import Response

from gateway.administration.requests import asking
from gateway.administration.requests.submissions import MOST_WAITING, keep
from gateway.console.renderings import answered, waiting, whole_file
from gateway.console.site import Site
from gateway.console.uploading import Came
from gateway.console.visits import Visit
from gateway.domain.requests import Act, RequestState
from gateway.domain.shown import META, read_findings
from gateway.domain.statement import FLOW as STATEMENT
from gateway.domain.uploads import COMING, NOTE, Upload, read_note
from gateway.errors import DiskFull
from gateway.flows.routes import routes
from gateway.storage.durable import disk_error

_CHECK: Final = "uploaded in the console"
_SEND: Final = "sent in the console"


def fields(identity: str, came: Came) -> dict[str, str]:
    """What came of a form's file, as fields of the form."""
    return {"upload": identity, "name": came.name, "size": str(came.size), "fault": came.fault}


def require_room(site: Site, coming: int) -> None:
    """DiskFull where so many bytes more would leave less than the site is to keep free."""
    try:
        free = shutil.disk_usage(site.settings.home.uploads).free
    except OSError as error:
        raise disk_error(error, "looking at uploads") from error
    if free < coming + site.settings.limits.min_free_bytes:
        raise DiskFull(f"{coming} bytes are coming, and {free} are free")


def form(visit: Visit) -> Response:
    """The form."""
    return _form(visit)


def take(visit: Visit) -> Response:
    """A file has come: it is given its name in `state/uploads`, and inspect is asked to check it."""
    settings, given = visit.console.settings, visit.form
    flow, partner = given.get("flow", ""), given.get("partner", "")
    coming = settings.home.uploads / f"{given['upload']}{COMING}"
    try:
        fault = given["fault"] or _fault(visit, flow, partner)
        if fault:
            return _form(visit, fault)
        upload = Upload(
            given["upload"], visit.user, flow, partner, given["name"], int(given["size"]), visit.console.now
        )
        keep(settings.home.uploads, coming, upload)
    finally:
        coming.unlink(missing_ok=True)
    identity = asking.ask(settings, visit.console.ledger, Act.CHECK, upload.id, visit.user, _CHECK)
    return visit.to(f"/send/{identity}")


def checked(visit: Visit) -> Response:
    """What was found, and the button that sends it."""
    return _checked(visit)


def send(visit: Visit) -> Response:
    """Send it, or throw it away."""
    request = answered(visit, Act.CHECK, "request")
    settings = visit.console.settings
    if visit.form.get("decision") == "remove":
        for name in (request.subject, request.subject + NOTE):
            (settings.home.uploads / name).unlink(missing_ok=True)
        return visit.to("/send?after=removed")
    identity = asking.ask(settings, visit.console.ledger, Act.SEND, request.subject, visit.user, _SEND)
    return visit.to(f"/requests/{identity}")


def _checked(visit: Visit) -> Response:
    request = answered(visit, Act.CHECK, "request")
    if request.state is RequestState.ASKED:
        return waiting(visit, "Checking the file", f"/send/{request.id}", request)
    home, upload, findings = visit.console.settings.home, None, None
    if (found := whole_file(home.uploads / f"{request.subject}{NOTE}")) is not None:
        upload = read_note(found, request.subject)
    if (found := whole_file(home.shown / request.id / META)) is not None:
        findings = read_findings(found)
    return visit.page("checked", request=request, upload=upload, findings=findings)


def _form(visit: Visit, fault: str = "") -> Response:
    settings = visit.console.settings
    outgoing = routes(settings).outgoing
    going = [flow for flow in sorted(outgoing) if outgoing[flow] and flow != STATEMENT]
    return visit.page(
        "send",
        422 if fault else 200,
        fault=fault,
        removed=not fault and visit.query.get("after") == "removed",
        stopped=sorted(settings.stopped),
        flows=[(flow, flow) for flow in going],
        partners=[(code, code) for code in sorted(settings.partners)],
        flow=visit.form.get("flow", ""),
        partner=visit.form.get("partner", ""),
        limits=[(flow, settings.flows[flow].max_bytes) for flow in going],
    )


def _fault(visit: Visit, flow: str, partner: str) -> str:
    settings = visit.console.settings
    if flow == STATEMENT:
        return "The gateway itself makes and sends statements."
    if partner in settings.stopped:
        return f"Nothing goes to {partner}: it is suspended, or its file has a fault."
    if partner not in routes(settings).outgoing.get(flow, frozenset()):
        return f"The flow {flow[:40]} does not go to {partner[:40]}."
    if sum(1 for _ in settings.home.uploads.glob(f"*{NOTE}")) >= MOST_WAITING:
        return "Too many files wait to be sent: send or remove some, or wait for an hour."
    return ""
