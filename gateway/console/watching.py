"""One look for all who listen: however many pages and programs wait for news, the ledger is looked at once a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from starlette.concurrency import run_in_threadpool

LOOK_SECONDS: Final = 1.0
T = TypeVar("T")


class Watch(Generic[T]):
    """What `look` finds, for any number of coroutines of one event loop. It raises what `look` raises."""

    def __init__(self, look: Callable[[], T]) -> None:
        self._look = look
        self._looking: asyncio.Future[T] | None = None
        self._begun = 0.0

    async def now(self) -> T:
        """As it was within the last second: who came earlier has missed nothing. A look that takes longer is waited for by all."""
        looking = self._looking
        if looking is None or (
            looking.done() and (looking.cancelled() or time.monotonic() - self._begun >= LOOK_SECONDS)
        ):
            self._begun = time.monotonic()
            looking = self._looking = asyncio.ensure_future(run_in_threadpool(self._look))
        return await asyncio.shield(looking)  # who goes away takes it from nobody
