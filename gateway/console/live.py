"""Tells open pages that something happened at the site: server-sent events, from the head of the audit chain, and from how far a verification is.

The head is looked at once a second for all pages (`watching`). A page says where the head was before it was rendered (`mark`), so that nothing is missed
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
from gateway.console.watching import LOOK_SECONDS, Watch
from gateway.errors import GatewayError
from gateway.ledger.store import Connection, read_head

_HERE_LOOKS: Final = 20
"""After so many looks whoever listens is asked for again, whatever the news, and without any a comment keeps the connection."""
_LONGEST_LOOKS: Final = 3600
"""An hour: then the browser connects again."""
_ENDED: Final = "event: ended\ndata: \n\n"


async def feed(site: Site, watch: Watch[str], is_here: Callable[[], bool], seen: str) -> AsyncIterator[str]:
    """Lines of server-sent events, from a `mark` on (empty: from now on), until whoever listens has no session any more. `watch` looks by
    `now`.
    """
    yield "retry: 5000\n\n"
    if not await run_in_threadpool(is_here):
        yield _ENDED
        return
    seen = seen or await watch.now()
    for look in range(_LONGEST_LOOKS):
        await asyncio.sleep(LOOK_SECONDS)  # first: a look of others, from before the page was made, is no news to it
        if site.stopping.is_set():
            return
        asks = look % _HERE_LOOKS == 0
        if asks and not await run_in_threadpool(is_here):
            yield _ENDED
            return
        here = await watch.now()
        if here != seen:
            seen = here
            yield f"id: {here}\nevent: moved\ndata: \n\n"
        elif asks:
            yield ": here\n\n"


def mark(site: Site, connection: Connection) -> str:
    """The head, and how far a verification is: whatever pages show moves one of them."""
    return f"{read_head(connection).sequence}-{moved(site.settings.home.run)}"


def now(site: Site) -> str:
    """The mark of this moment."""
    try:
        with site.reading() as connection:
            return mark(site, connection)
    except GatewayError:
        return "unknown"
