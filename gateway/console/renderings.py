"""What inspect and the vault make for a page of the console: waiting for it, and reading it. NotFound for a request that is not this person's."""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from starlette.responses import Response, StreamingResponse

from gateway.console.visits import Visit
from gateway.domain.requests import Act, RequestState
from gateway.domain.shown import MOST_BYTES
from gateway.errors import NotFound
from gateway.ledger import requests
from gateway.ledger.units import Request

_PATIENCE: Final = 3.0
"""Seconds that a page waits for an answer before it says that it waits."""
_LOOK: Final = 0.15
_AGAIN: Final = 3
"""Seconds after which a browser asks again."""
_PIECE: Final = 1 << 18
_OPEN: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def answered(visit: Visit, act: Act, name: str) -> Request:
    """The request that the address has under `name`, if it is this person's and for that act; an answer is waited for a little."""
    until = time.monotonic() + _PATIENCE
    while True:
        with visit.console.reading() as connection:
            found = requests.find(connection, visit.path[name])
        if found.act is not act or found.actor != visit.user:
            raise NotFound("that is no request of yours")
        if found.state is not RequestState.ASKED or time.monotonic() >= until or visit.console.stopping.is_set():
            return found
        time.sleep(_LOOK)


def waiting(visit: Visit, heading: str, path: str) -> Response:
    """A page that asks again by itself, without a script too."""
    response = visit.page("working", heading=heading, path=path)
    response.headers["refresh"] = str(_AGAIN)
    return response


def whole_file(path: Path) -> bytes | None:
    """The bytes of a file that inspect or the console made; None where it is gone, or is none of theirs."""
    try:
        descriptor = os.open(path, _OPEN)
    except OSError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            return None
        content = file.read(MOST_BYTES + 1)
    return content if len(content) <= MOST_BYTES else None


def streamed(path: Path, size: int, name: str, media_type: str, record: Callable[[], None]) -> Response | None:
    """A file of so many bytes to download under that name, once `record` has said so; None where it is gone, or is another one."""
    try:
        descriptor = os.open(path, _OPEN)
    except OSError:
        return None
    with ExitStack() as stack:
        file = stack.enter_context(os.fdopen(descriptor, "rb"))
        about = os.fstat(descriptor)
        if not stat.S_ISREG(about.st_mode) or about.st_size != size:
            return None
        record()
        stack.pop_all()

    def pieces() -> Iterator[bytes]:
        with file:
            while piece := file.read(_PIECE):
                yield piece

    headers = {"content-length": str(size), "content-disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(pieces(), headers=headers, media_type=media_type)
