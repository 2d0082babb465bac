"""How many open pages of one session listen at once: a connection is kept for each, and the console has so many for everybody."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

MOST: Final = 10
"""Of one session. With one more its oldest ends; the page that had it asks again after a while."""


class Listeners:
    """Those of all sessions, of one event loop."""

    def __init__(self) -> None:
        self._open: dict[str, list[asyncio.Timeout]] = {}

    def bounded(self, session: str, stream: Response) -> Response:
        """The stream as one of that session's."""
        return _Bounded(self._open, session, stream)


class _Bounded(Response):
    def __init__(self, open_: dict[str, list[asyncio.Timeout]], session: str, stream: Response) -> None:
        self._open = open_
        self._session = session
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, until the stream ends or newer ones take its place."""
        mine = self._open.setdefault(self._session, [])
        with suppress(TimeoutError):
            async with asyncio.timeout(None) as place:
                mine.append(place)
                if len(mine) > MOST:
                    mine.pop(0).reschedule(0)
                try:
                    await self._stream(scope, receive, send)
                finally:
                    if place in mine:
                        mine.remove(place)
                    if not mine:
                        self._open.pop(self._session, None)
        if place.expired():  # its head was sent: what is streamed begins before anything newer runs
            await send({"type": "http.response.body", "body": b"", "more_body": False})
