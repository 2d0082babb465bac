"""Who waits for whom: pages are answered a few at a time, in the order in which they were asked for, and forms and what asks another machine beside them."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, cast

import pytest
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from gateway.console import web
from gateway.console.pages import PAGES, Page
from gateway.console.rooms.identity_provider import BEGIN, RETURN


def _request(method: str, number: int) -> Request:
    async def body() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    kind = [(b"content-type", b"application/x-www-form-urlencoded")]
    return Request({"type": "http", "method": method, "path": f"/{number}", "headers": kind}, body)


def test_pages_that_ask_another_machine_wait_for_nobody() -> None:
    assert [page.path for page in PAGES if page.waits] == [BEGIN, RETURN]


def test_pages_are_answered_few_at_a_time_in_order_and_forms_and_what_waits_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    go_on, two, lock = threading.Event(), threading.Event(), threading.Lock()
    begun: list[str] = []
    now, most = 0, 0

    def answer(*args: Any) -> Response:
        nonlocal now, most
        page, request = args[2], args[3]
        with lock:
            begun.append(request.scope["path"])
            if page.method == "GET" and not page.waits:
                now += 1
                most = max(most, now)
        if page.method == "GET" and not page.waits:
            if now == 2:
                two.set()
            assert go_on.wait(20)
            with lock:
                now -= 1
        return PlainTextResponse(request.scope["path"])

    def nothing(_visit: object) -> Response:
        raise AssertionError

    async def ask() -> None:
        pages = [Page(method, "/x", None, nothing, "") for method in ("GET", "POST")]
        room = asyncio.Semaphore(2)
        endpoint = web._endpoint(cast("Any", None), cast("Any", None), room, pages)
        away = [Page("GET", "/away", None, nothing, "", waits=True)]
        elsewhere = web._endpoint(cast("Any", None), cast("Any", None), room, away)
        gets = [asyncio.ensure_future(endpoint(_request("GET", number))) for number in range(6)]
        assert await asyncio.to_thread(two.wait, 20)
        form = await asyncio.wait_for(endpoint(_request("POST", 99)), 20)
        assert form.body == b"/99"
        assert (await asyncio.wait_for(elsewhere(_request("GET", 98)), 20)).body == b"/98"
        assert not any(each.done() for each in gets)
        assert sorted(begun) == ["/0", "/1", "/98", "/99"]
        go_on.set()
        assert [bytes(each.body) for each in await asyncio.gather(*gets)] == [b"/%d" % number for number in range(6)]

    monkeypatch.setattr(web, "_answer", answer)
    asyncio.run(ask())
    assert most == 2
    assert {*begun[4:6]} == {"/2", "/3"}
