"""What inspect makes for a page of the console: waiting for it, and reading it. NotFound for a request that is not this person's."""

from __future__ import annotations

import os
import stat
import time
from pathlib import Path
from typing import Final

from starlette.responses import Response

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
