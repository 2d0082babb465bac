"""Tells open pages that something happened at the site: server-sent events, from the head of the audit chain, and from how far a verification is.

Each open page has the head looked at once a second. An event says *moved* and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

from starlette.concurrency import run_in_threadpool

from gateway.administration.proofs.progress import moved
from gateway.console.site import Site
from gateway.errors import GatewayError
from gateway.ledger.store import read_head

_LOOK_SECONDS: Final = 1.0
_QUIET_LOOKS: Final = 20
"""After so many looks without news a comment keeps the connection, and whoever listens is asked for again."""
_LONGEST_LOOKS: Final = 3600
"""An hour: then the browser connects again."""


async def feed(site: Site, is_here: Callable[[], bool]) -> AsyncIterator[str]:
    """Lines of server-sent events, until whoever listens has no session any more."""
    yield "retry: 5000\n\n"
    seen = await run_in_threadpool(_now, site)
    for look in range(_LONGEST_LOOKS):
        await asyncio.sleep(_LOOK_SECONDS)
        if site.stopping.is_set():
            return
        now = await run_in_threadpool(_now, site)
        if now != seen:
            seen = now
            yield "event: moved\ndata: \n\n"
        elif look % _QUIET_LOOKS == 0:
            if not await run_in_threadpool(is_here):
                return
            yield ": here\n\n"


def _now(site: Site) -> tuple[int, int]:
    """The head, and how far a verification is: whatever pages show moves one of them."""
    try:
        with site.reading() as connection:
            return read_head(connection).sequence, moved(site.settings.home.run)
    except GatewayError:
        return -1, 0
