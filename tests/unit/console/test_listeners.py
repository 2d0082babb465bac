"""One session's open pages leave room for everybody else's."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from starlette.responses import StreamingResponse

from gateway.console import listeners
from gateway.console.listeners import MOST, Listeners
from tests.fakes.browsers import visitor
from tests.fakes.programs import HOST, Program


async def forever() -> AsyncIterator[str]:
    yield "retry: 5000\n\n"
    await asyncio.Event().wait()


class Connection:
    """A browser's, at a stream of a session."""

    def __init__(self, bounds: Listeners, session: str, spec: str = "2.3") -> None:
        self.sent: list[Any] = []
        self.gone = asyncio.Event()
        stream = bounds.bounded(session, StreamingResponse(forever()))
        scope = {"type": "http", "asgi": {"spec_version": spec}}
        self.task = asyncio.ensure_future(stream(scope, self.receive, self.send))

    async def receive(self) -> Any:
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Any) -> None:
        self.sent.append(message)


def test_with_one_more_the_oldest_of_the_session_ends_whole_and_no_other() -> None:
    async def act() -> None:
        bounds = Listeners()
        other = Connection(bounds, "b", "2.4")
        mine = [Connection(bounds, "a", spec) for spec in ("2.3", "2.4", *["2.3"] * MOST)]
        await asyncio.wait([each.task for each in mine[:2]], timeout=5)
        assert [each.task.done() for each in mine] == [True, True, *[False] * MOST]
        for each in mine[:2]:
            assert each.task.exception() is None
            assert each.sent[0]["type"] == "http.response.start"
            assert each.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
        assert not other.task.done()
        for each in mine[2:4]:
            each.gone.set()
        await asyncio.wait([each.task for each in mine[2:4]], timeout=5)
        more = [Connection(bounds, "a") for _ in range(2)]
        await asyncio.sleep(0.05)
        open_ = [*mine[4:], *more, other]
        assert not any(each.task.done() for each in open_), "who has gone left room"
        for each in open_:
            each.gone.set()
            if each is other:
                each.task.cancel()
        await asyncio.wait([each.task for each in open_], timeout=5)
        assert bounds._open == {}

    asyncio.run(act())


def test_the_console_bounds_them(console: Program, monkeypatch: Any) -> None:
    monkeypatch.setattr(listeners, "MOST", 1)
    token = visitor(console, "aud1").token
    headers = {"host": HOST, "cookie": f"gateway-{console.bench.code.lower()}={token}"}
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/live",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }

    async def act() -> None:
        async def receive() -> Any:
            return {"type": "http.request", "body": b"", "more_body": False} if next(first) else await ever.wait()

        ever = asyncio.Event()
        ended = []

        async def send(message: Any) -> None:
            if message["type"] == "http.response.body" and not message["more_body"]:
                ended.append(message)

        first = iter([True, False] * 9)
        older = asyncio.ensure_future(console.app(dict(scope), receive, send))
        await asyncio.sleep(0.2)
        newer = asyncio.ensure_future(console.app(dict(scope), receive, send))
        await asyncio.wait([older], timeout=5)
        assert older.done()
        assert not newer.done()
        assert len(ended) == 1
        newer.cancel()
        await asyncio.wait([newer], timeout=5)

    asyncio.run(act())
