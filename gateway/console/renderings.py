"""What inspect and the vault make for a page of the console: waiting for it, and reading it. NotFound for a request that is not this person's.

It is waited for a little, between two answers of the page: no thread and no other page waits along.
"""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from threading import Event
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import HTMLResponse, Response, StreamingResponse

from gateway.console.files import attached
from gateway.console.site import Site
from gateway.console.visits import Visit
from gateway.domain.requests import Act, RequestState
from gateway.domain.shown import MOST_BYTES
from gateway.errors import GatewayError, NotFound
from gateway.ledger import requests
from gateway.ledger.units import Request

_PATIENCE: Final = 3.0
"""Seconds that an answer is waited for before a page says that it waits."""
_LOOK: Final = 0.15
_AGAIN: Final = 3
"""Seconds after which a browser asks again."""
_PIECE: Final = 1 << 18
_OPEN: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


def answered(visit: Visit, act: Act, name: str) -> Request:
    """The request that the address has under `name`, if it is this person's and for that act."""
    with visit.console.reading() as connection:
        found = requests.find(connection, visit.path[name])
    if found.act is not act or found.actor != visit.user:
        raise NotFound("that is no request of yours")
    return found


class Waiting(HTMLResponse):
    """A page that says that something is being made. `is_asked` is whether it still is; `user` is who waits."""

    def __init__(self, page: HTMLResponse, user: str, is_asked: Callable[[], bool]) -> None:
        super().__init__(page.body, page.status_code, {"refresh": str(_AGAIN)})
        self.user = user
        self.is_asked = is_asked


def waiting(visit: Visit, heading: str, path: str, request: Request) -> Waiting:
    """A page that asks again by itself, without a script too."""
    page = visit.page("working", heading=heading, path=path)
    return Waiting(page, visit.user, partial(_is_asked, visit.console, request.id))


async def comes(page: Waiting, stopping: Event) -> bool:
    """Whether what the page waits for is there within moments: it is waited for here."""
    for _ in range(int(_PATIENCE / _LOOK)):
        await asyncio.sleep(_LOOK)
        if stopping.is_set():
            break
        if not await run_in_threadpool(page.is_asked):
            return True
    return False


def _is_asked(site: Site, identity: str) -> bool:
    try:
        with site.reading() as connection:
            return requests.find(connection, identity).state is RequestState.ASKED
    except GatewayError:
        return True  # the page that is asked next says what is wrong


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

    headers = {"content-length": str(size), **attached(name)}
    return StreamingResponse(pieces(), headers=headers, media_type=media_type)
