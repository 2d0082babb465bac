"""Tells open pages that something happened at the site: server-sent events, from the head of the audit chain, and from how far a verification is.

Each open page has the head looked at once a second. A page says where the head was before it was rendered (`mark`), so that nothing is missed
between the two. An event says *moved*, with the new mark as its id, or *ended* once there is no session: a browser that connects again hands over
the last id.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final

from starlette.concurrency import run_in_threadpool

from gateway.administration.proofs.progress import moved
from gateway.console.site import Site
from gateway.errors import GatewayError
from gateway.ledger.store import Connection, read_head

_LOOK_SECONDS: Final = 1.0
_QUIET_LOOKS: Final = 20
"""After so many looks without news a comment keeps the connection, and whoever listens is asked for again."""
_LONGEST_LOOKS: Final = 3600
"""An hour: then the browser connects again."""
_ENDED: Final = "event: ended\ndata: \n\n"


async def feed(site: Site, is_here: Callable[[], bool], seen: str) -> AsyncIterator[str]:
    """Lines of server-sent events, from a `mark` on (empty: from now on), until whoever listens has no session any more."""
    yield "retry: 5000\n\n"
    if not await run_in_threadpool(is_here):
        yield _ENDED
        return
    seen = seen or await run_in_threadpool(_now, site)
    for look in range(_LONGEST_LOOKS):
        now = await run_in_threadpool(_now, site)
        if now != seen:
            seen = now
            yield f"id: {now}\nevent: moved\ndata: \n\n"
        elif look % _QUIET_LOOKS == 0:
            if not await run_in_threadpool(is_here):
                yield _ENDED
                return
            yield ": here\n\n"
        await asyncio.sleep(_LOOK_SECONDS)
        if site.stopping.is_set():
            return


def mark(site: Site, connection: Connection) -> str:
    """The head, and how far a verification is: whatever pages show moves one of them."""
    return f"{read_head(connection).sequence}-{moved(site.settings.home.run)}"


def _now(site: Site) -> str:
    try:
        with site.reading() as connection:
            return mark(site, connection)
    except GatewayError:
        return "unknown"
