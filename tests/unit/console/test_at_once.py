"""Who waits for whom: pages are answered a few at a time, in the order in which they were asked for; forms, what asks another machine, and what is being
made keep no page waiting.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from dataclasses import replace
from threading import Event

import pytest
from starlette.responses import HTMLResponse, PlainTextResponse, Response

from gateway.console import renderings
from gateway.console.pages import PAGES, Page
from gateway.console.renderings import Waiting
from gateway.console.rooms.identity_provider import BEGIN, RETURN
from gateway.console.turns import AWAY_AT_ONCE, FORMS_AT_ONCE, PAGES_AT_ONCE, WAITS_OF_ONE, Turns


def _nothing(_visit: object) -> Response:
    raise AssertionError


GET = Page("GET", "/x", None, _nothing, "")
POST = replace(GET, method="POST")
AWAY = replace(GET, waits=True)


def test_pages_that_ask_another_machine_wait_for_nobody() -> None:
    assert [page.path for page in PAGES if page.waits] == [BEGIN, RETURN]


def test_pages_are_answered_few_at_a_time_and_in_order() -> None:
    go_on, full, lock = Event(), Event(), threading.Lock()
    begun: list[int] = []
    now, most = 0, 0

    def page(number: int) -> Callable[[], Response]:
        def make() -> Response:
            nonlocal now, most
            with lock:
                begun.append(number)
                now += 1
                most = max(most, now)
                if now == PAGES_AT_ONCE:
                    full.set()
            assert go_on.wait(20)
            with lock:
                now -= 1
            return PlainTextResponse(str(number))

        return make

    async def ask() -> None:
        turns = Turns(Event())
        asked = [asyncio.ensure_future(turns.answer(GET, page(number))) for number in range(PAGES_AT_ONCE + 4)]
        assert await asyncio.to_thread(full.wait, 20)
        go_on.set()
        assert [int(each.body) for each in await asyncio.gather(*asked)] == list(range(PAGES_AT_ONCE + 4))

    asyncio.run(ask())
    assert most == PAGES_AT_ONCE
    assert {*begun[:PAGES_AT_ONCE]} == set(range(PAGES_AT_ONCE))


def test_whatever_hangs_in_forms_and_at_other_machines_pages_are_answered() -> None:
    """Strangers, a provider that does not answer, and a ledger that is locked: more of each than there are threads."""
    go_on, hanging = Event(), threading.Semaphore(0)

    def hang() -> Response:
        hanging.release()
        assert go_on.wait(20)
        return PlainTextResponse("late")

    async def ask() -> None:
        turns = Turns(Event())
        stuck = [asyncio.ensure_future(turns.answer(kind, hang)) for kind in (AWAY, POST) for _ in range(50)]
        for _ in range(AWAY_AT_ONCE + FORMS_AT_ONCE):
            assert await asyncio.to_thread(hanging.acquire, timeout=20)
        try:
            for _ in range(8):
                said = await asyncio.wait_for(turns.answer(GET, lambda: PlainTextResponse("page")), 5)
                assert said.body == b"page"
        finally:
            go_on.set()
        assert {each.body for each in await asyncio.gather(*stuck)} == {b"late"}

    asyncio.run(ask())


def test_what_is_being_made_is_waited_for_in_nobodys_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(renderings, "_LOOK", 0.01)
    made = Event()

    def page(user: str) -> Callable[[], Response]:
        def make() -> Response:
            if made.is_set():
                return PlainTextResponse("made")
            return Waiting(HTMLResponse("waits"), user, lambda: not made.is_set())

        return make

    async def ask() -> None:
        turns = Turns(Event())
        asked = [asyncio.ensure_future(turns.answer(GET, page("op1"))) for _ in range(40)]
        done, held_back = await asyncio.wait(asked, timeout=1, return_when=asyncio.ALL_COMPLETED)
        assert len(held_back) == WAITS_OF_ONE
        assert {(each.result().body, each.result().headers["refresh"]) for each in done} == {(b"waits", "3")}
        other = asyncio.ensure_future(turns.answer(GET, page("op2")))
        said = await asyncio.wait_for(turns.answer(GET, lambda: PlainTextResponse("page")), 1)
        assert (said.body, other.done()) == (b"page", False)
        made.set()
        assert {each.body for each in await asyncio.gather(other, *held_back)} == {b"made"}

    asyncio.run(ask())


@pytest.mark.parametrize("stops", [False, True])
def test_what_does_not_come_is_not_waited_for_for_long(stops: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001
    monkeypatch.setattr(renderings, "_LOOK", 0.01)
    monkeypatch.setattr(renderings, "_PATIENCE", 600.0 if stops else 0.05)
    stopping, page = Event(), Waiting(HTMLResponse("waits"), "op1", lambda: True)
    if stops:
        stopping.set()

    async def ask() -> Response:
        return await asyncio.wait_for(Turns(stopping).answer(GET, lambda: page), 20)

    assert asyncio.run(ask()) is page
