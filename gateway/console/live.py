"""Tells open pages that something happened at the site: server-sent events, from the head of the audit chain, and from how far a verification is.

The head is looked at once a second for all of them (`watching`). An event says *moved* and nothing else.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

from starlette.concurrency import run_in_threadpool

from gateway.administration.proofs.progress import moved
from gateway.console.site import Site
from gateway.console.watching import LOOK_SECONDS, Watch
from gateway.errors import GatewayError
from gateway.ledger.store import read_head

_HERE_LOOKS: Final = 20
"""After so many looks whoever listens is asked for again, and without news a comment keeps the connection."""
_LONGEST_LOOKS: Final = 3600
"""An hour: then the browser connects again."""


async def feed(site: Site, watch: Watch[tuple[int, int]], is_here: Callable[[], bool]) -> AsyncIterator[str]:
    """Lines of server-sent events, until whoever listens has no session any more. `watch` looks by `now`."""
    yield "retry: 5000\n\n"
    seen = await watch.now()
    for look in range(_LONGEST_LOOKS):
        await asyncio.sleep(LOOK_SECONDS)
        if site.stopping.is_set():
            return
        asks = look % _HERE_LOOKS == 0
        if asks and not await run_in_threadpool(is_here):
            return
        now = await watch.now()
        if now != seen:
            seen = now
            yield "event: moved\ndata: \n\n"
        elif asks:
            yield ": here\n\n"


def now(site: Site) -> tuple[int, int]:
    """The head, and how far a verification is: whatever pages show moves one of them."""
    try:
        with site.reading() as connection:
            return read_head(connection).sequence, moved(site.settings.home.run)
    except GatewayError:
        return -1, 0
