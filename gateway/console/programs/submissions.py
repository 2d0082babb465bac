"""Files from programs: taken in as they come, piece by piece, and handed over; and what became of one."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from gateway.administration.requests import submissions
from gateway.administration.views.records import moment
from gateway.console.programs.calls import Call, Fields, answered
from gateway.console.programs.problems import Problem
from gateway.domain.identity import RANDOM_BYTES, new_id, to_text
from gateway.domain.requests import RequestState
from gateway.domain.uploads import COMING, Upload
from gateway.ledger import units
from gateway.storage.durable import disk_error, write_all


class SubmissionQuery(Fields):
    """Where a file goes, and its name there."""

    flow: Annotated[str, Field(min_length=1, max_length=100)]
    partner: Annotated[str, Field(min_length=1, max_length=100)]
    name: Annotated[str, Field(min_length=1, max_length=255)]


@dataclass(frozen=True)
class SubmissionView:
    """A file that was submitted: `transfer` is its id from the moment in which it is `done`, which means taken into custody; what becomes of
    it then, the transfer's story says. `refused` has code, reason and remedy.
    """

    id: str
    transfer: str
    state: Literal["asked", "done", "refused"]
    asked: str
    updated: str | None
    code: str | None
    reason: str | None
    remedy: str | None


async def take(call: Call, request: Request) -> Response:
    """Take a file in, and ask for it to be sent."""
    query: SubmissionQuery = call.query
    settings = call.site.settings
    await run_in_threadpool(submissions.require_sendable, settings, call.token, query.flow, query.partner)
    identity = new_id(call.site.now, os.urandom(RANDOM_BYTES))
    coming = settings.home.uploads / f"{identity}{COMING}"
    try:
        size, digest = await _receive(request, coming, settings.flows[query.flow].max_bytes)
        upload = Upload(identity, call.token.owner.user, query.flow, query.partner, query.name, size, call.site.now)
        given = (call.site.credentials, settings, call.token, call.key, upload, coming, digest)
        asked = await run_in_threadpool(submissions.submit, *given)
    finally:
        coming.unlink(missing_ok=True)
    return answered(_shown(asked), 202, {"location": f"/api/v1/submissions/{asked.id}"})


def one(call: Call) -> Response:
    """What became of one."""
    with call.site.reading() as connection:
        return answered(_shown(submissions.find(connection, call.token, call.path["id"])))


async def _receive(request: Request, coming: Path, most: int) -> tuple[int, str]:
    """The body as a file, durable: its size and digest."""
    size, digest = 0, sha256()
    try:
        descriptor = os.open(coming, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o660)
    except OSError as error:
        raise disk_error(error, "taking a file in") from error
    try:
        async for piece in request.stream():
            size += len(piece)
            if size > most:
                raise Problem(413, "too-large", f"A file of that flow has {most} bytes at most.")
            digest.update(piece)
            await run_in_threadpool(write_all, descriptor, piece)
        await run_in_threadpool(os.fsync, descriptor)
    except ClientDisconnect:
        raise Problem(400, "unfinished", "The file did not come whole in time.") from None
    except OSError as error:
        raise disk_error(error, "taking a file in") from error
    finally:
        with suppress(OSError):
            os.close(descriptor)
    if not size:
        raise Problem(422, "empty", "The file is empty.")
    return size, digest.hexdigest()


def _shown(request: units.Request) -> SubmissionView:
    return SubmissionView(
        id=request.id,
        transfer=request.subject,
        state={RequestState.DONE: "done", RequestState.REFUSED: "refused"}.get(request.state, "asked"),  # type: ignore[arg-type]
        asked=to_text(request.created),
        updated=moment(request.updated),
        code=request.code,
        reason=request.refusal,
        remedy=request.remedy,
    )
