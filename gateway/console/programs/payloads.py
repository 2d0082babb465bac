"""Payloads for programs of the back office: a delivered file's bytes, as inspect copied them for this request."""

from __future__ import annotations

import asyncio
import os
import stat
from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response, StreamingResponse

from gateway.administration.requests import fetching
from gateway.console.programs.calls import Call
from gateway.console.programs.problems import Problem
from gateway.domain.requests import RequestState
from gateway.domain.shown import PAYLOAD

_PATIENCE: Final = 60
"""Looks for the copy, one every quarter of a second."""
_LOOK_SECONDS: Final = 0.25
_PIECE: Final = 1 << 18
_OPEN: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


async def give(call: Call) -> Response:
    """The bytes, with their digest in `Repr-Digest` (RFC 9530)."""
    context, home = call.site.credentials, call.site.settings.home
    asked, row = await run_in_threadpool(fetching.fetch, context, call.site.settings, call.token, call.path["id"])
    for _ in range(_PATIENCE):
        asked = await run_in_threadpool(fetching.answer, context, asked)
        if asked.state is not RequestState.ASKED or call.site.stopping.is_set():
            break
        await asyncio.sleep(_LOOK_SECONDS)
    if asked.state is RequestState.REFUSED:
        raise Problem(409, asked.code or "refused", asked.refusal or "", remedy=asked.remedy)
    try:
        descriptor = os.open(home.shown / asked.id / PAYLOAD, _OPEN)
    except OSError:
        again = {"retry-after": "15"}
        raise Problem(
            503, "not-copied", "The file was not copied in time: the gateway is busy, or does not run.", headers=again
        ) from None
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode) or about.st_size != row.size:
        os.close(descriptor)
        raise Problem(503, "not-copied", "The copy is not the file that was delivered.")

    async def pieces() -> AsyncIterator[bytes]:
        try:
            while piece := await run_in_threadpool(os.read, descriptor, _PIECE):
                yield piece
        finally:
            os.close(descriptor)

    digest = b64encode(bytes.fromhex(row.sha256)).decode()
    headers = {
        "content-length": str(row.size),
        "repr-digest": f"sha-256=:{digest}:",
        "content-disposition": "attachment",
    }
    return StreamingResponse(pieces(), headers=headers, media_type="application/octet-stream")
