"""Who listens: one look for all of them, nothing missed, and nobody who has no session any more."""

from __future__ import annotations

import asyncio
from itertools import count
from typing import Any, cast

import pytest

from gateway.console import watching
from gateway.console.live import feed
from gateway.console.watching import Watch
from gateway.domain.people import PersonRole
from tests.fakes.browsers import visitor
from tests.fakes.programs import HOST, Program


def test_there_is_one_look_for_all_who_come_within_a_moment_and_another_one_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looks = count()
    watch = Watch(lambda: next(looks))

    async def ask() -> None:
        away = asyncio.ensure_future(watch.now())
        await asyncio.sleep(0)
        away.cancel()  # takes the look from nobody
        assert set(await asyncio.gather(*(watch.now() for _ in range(60)))) == {0}
        monkeypatch.setattr(watching, "LOOK_SECONDS", 0.0)
        assert await watch.now() == 1

    asyncio.run(ask())
    asyncio.run(ask_again(watch, 2))


async def ask_again(watch: Watch[int], wanted: int) -> None:
    """In another event loop."""
    assert await watch.now() == wanted


@pytest.mark.usefixtures("quick")
def test_whoever_has_no_session_any_more_hears_no_news_for_long_however_much_there_is(console: Program) -> None:
    numbers, asked = count(), count()
    watch = Watch(lambda: str(next(numbers)))

    async def listen() -> list[str]:
        return [line async for line in feed(console.site, watch, lambda: next(asked) < 2, "")]

    lines = asyncio.run(listen())
    assert lines[0] == "retry: 5000\n\n"
    assert lines[-1] == "event: ended\ndata: \n\n"
    assert 10 <= len(lines) <= 42
    assert next(asked) == 3


@pytest.mark.usefixtures("quick")
def test_many_who_listen_keep_no_page_waiting(console: Program) -> None:
    person = visitor(console, "listens", PersonRole.AUDITOR)
    begun, all_listen = count(1), asyncio.Event()

    async def one(path: str) -> int:
        status = 0

        async def receive() -> Any:
            return await asyncio.Event().wait()

        async def send(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)
            if message.get("body", b"") == b"retry: 5000\n\n" and next(begun) == 60:
                all_listen.set()

        headers = {"host": HOST, **person._headers}
        scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "root_path": "",
            "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("192.0.2.7", 1),
        }
        await console.app(cast("Any", scope), receive, send)
        return status

    async def many() -> None:
        listening = [asyncio.ensure_future(one("/live")) for _ in range(60)]
        await asyncio.wait_for(all_listen.wait(), 20)
        pages = await asyncio.wait_for(asyncio.gather(*(one("/partners") for _ in range(8))), 20)
        assert pages == [200] * 8
        console.site.stopping.set()
        assert await asyncio.wait_for(asyncio.gather(*listening), 20) == [200] * 60

    try:
        asyncio.run(many())
    finally:
        console.site.stopping.clear()
