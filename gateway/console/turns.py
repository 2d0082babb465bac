"""Who waits for whom: the turns in which requests are answered, each in a thread.

Pages are few at a time, in the order in which they were asked for. Forms may have to wait for the ledger, and some pages for another machine: each of
the three has places of its own. An answer that is being made elsewhere is waited for between two turns, in none of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from threading import Event
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from gateway.console.pages import Page
from gateway.console.programs.rate import Places
from gateway.console.renderings import Waiting, comes

PAGES_AT_ONCE: Final = 4
"""More threads than that take the interpreter from each other, and everybody's page comes later (ADR 0083)."""
FORMS_AT_ONCE: Final = 20
AWAY_AT_ONCE: Final = 8
"""Pages that wait for another machine. With pages and forms they are fewer than Starlette's 40 threads, whoever hangs in them."""
WAITS_OF_ONE: Final = 4
_WAITS: Final = 40
"""Pages of one person, and of all, that are held back until something is made; any further one says at once that it waits."""


class Turns:
    """Those of one application."""

    def __init__(self, stopping: Event) -> None:
        self._stopping = stopping
        self._pages = asyncio.Semaphore(PAGES_AT_ONCE)
        self._forms = asyncio.Semaphore(FORMS_AT_ONCE)
        self._away = asyncio.Semaphore(AWAY_AT_ONCE)
        self._waits = Places(WAITS_OF_ONE, _WAITS)

    async def answer(self, page: Page, make: Callable[[], Response]) -> Response:
        """What `make` makes, once it is its turn; made anew where what it waited for came soon."""
        response = await self._in_turn(page, make)
        if not isinstance(response, Waiting) or not self._waits.take(response.user):
            return response
        try:
            there = await comes(response, self._stopping)
        finally:
            self._waits.give_back(response.user)
        return await self._in_turn(page, make) if there else response

    async def _in_turn(self, page: Page, make: Callable[[], Response]) -> Response:
        places = self._forms if page.method == "POST" else self._pages
        async with self._away if page.waits else places:
            return await run_in_threadpool(make)
