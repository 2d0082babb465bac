"""Pages that renew themselves: nothing that happens after a page was made is missed, and the end of a session is told."""

from __future__ import annotations

import asyncio
import re
from functools import partial

import pytest

from gateway.administration.people import roster
from gateway.console.live import feed, now
from gateway.console.watching import Watch
from gateway.domain.people import PersonRole
from tests.fakes.browsers import Visitor, visitor
from tests.fakes.programs import WHY, Program
from tests.fakes.staff import hire

pytestmark = pytest.mark.usefixtures("quick")


def _mark(person: Visitor, path: str = "/") -> str:
    found = re.search(rb'data-live="([^"]+)"', person.get(path).body)
    assert found is not None
    return found[1].decode()


def _heard(console: Program, seen: str, *, is_here: bool = True) -> list[str]:
    """The first two lines or fewer of the feed."""

    async def listen() -> list[str]:
        said = []
        async for line in feed(console.site, Watch(partial(now, console.site)), lambda: is_here, seen):
            said.append(line)
            if len(said) == 2:
                break
        return said

    return asyncio.run(listen())


def test_what_happens_between_making_a_page_and_connecting_is_told(console: Program) -> None:
    person = visitor(console, "hb8001", PersonRole.OPERATOR)
    mark = _mark(person)
    assert _heard(console, mark)[1] == ": here\n\n", "nothing has happened"
    hire(console.site.ledger, "hb8002")
    told = _heard(console, mark)[1]
    assert told.startswith("id: ")
    assert "event: moved" in told
    assert told.splitlines()[0].removeprefix("id: ") == _mark(person)
    assert _heard(console, "")[1] == ": here\n\n", "from now on"


def test_end_of_a_session_is_told_once_and_not_answered_with_an_error(console: Program) -> None:
    assert _heard(console, "", is_here=False)[1] == "event: ended\ndata: \n\n"
    person = visitor(console, "hb8003", PersonRole.OPERATOR)
    roster.remove(console.site.ledger, "hb8003", WHY)
    said = console.ask("GET", "/live", headers=person._headers, token="")
    assert (said.status, said.headers["content-type"].partition(";")[0]) == (200, "text/event-stream")
    assert b"event: ended" in said.body
    assert b"moved" not in said.body


def test_page_says_how_it_is_without_javascript_and_what_to_do_when_signed_out(console: Program) -> None:
    person = visitor(console, "hb8004", PersonRole.OPERATOR)
    for path in ("/", "/transfers", "/waiting", "/requests"):
        page = person.get(path).body.decode()
        assert "Reload it to see what is new.</p></noscript>" in page
        assert re.search(r"<div [^>]*data-live-ended hidden>\s*<p [^>]*>You are signed out</p>", page)
    assert b"data-live" not in console.ask("GET", "/sign-in", token="").body
