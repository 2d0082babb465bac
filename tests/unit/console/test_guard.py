"""What reaches no page: a form that comes too slowly, in another type, or as HEAD."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from gateway.console import guard
from gateway.console.guard import Guard
from tests.fakes.browsers import visitor
from tests.fakes.programs import HOST, Program

FORGED = b'--X\r\nContent-Disposition: form-data; name="user"\r\n\r\n\\ud800\r\n--X--\r\n'
OWN = {"origin": f"http://{HOST}"}


def came(path: str, pieces: int, pause: float) -> int:
    """How many pieces of a body a page gets, each after a pause in seconds."""
    got = 0

    async def page(_scope: Any, receive: Any, _send: Any) -> None:
        nonlocal got
        while (await receive())["type"] != "http.disconnect" and got < pieces:
            got += 1

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(pause)
        return {"type": "http.request", "body": b"a", "more_body": True}

    async def send(_message: Any) -> None:
        raise AssertionError

    headers = {"host": HOST, "content-type": guard.FORM, **OWN}
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {"type": "http", "method": "POST", "path": path, "headers": raw}
    asyncio.run(Guard(page, [HOST], {"/send": 1000})(scope, receive, send))
    return got


def test_a_form_has_to_come_whole_in_time_and_a_file_piece_by_piece(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "BODY_SECONDS", 0.3)
    monkeypatch.setattr(guard, "REQUEST_SECONDS", 0.2)
    assert 0 < came("/sign-in", 8, 0.05) < 7
    assert came("/send", 8, 0.05) == 8
    assert came("/sign-in", 8, 0.25) == came("/send", 8, 0.25) == 0


@pytest.mark.parametrize(
    "kind",
    [
        "multipart/form-data; boundary=X; charset=punycode",
        "multipart/form-data; boundary=X; charset=unicode_escape",
        "multipart/form-data; boundary=X",
        "text/plain",
        "",
    ],
)
def test_a_form_without_a_file_comes_in_one_type(console: Program, kind: str) -> None:
    length = str(len(FORGED))
    for path in ("/sign-in", "/sign-in/challenge", "/people/add", "/nothing"):
        said = console.ask("POST", path, FORGED, {**OWN, "content-type": kind, "content-length": length}, token="")
        assert said.status == 415


@pytest.mark.parametrize(
    "kind", [f"{guard.FORM}; charset=punycode", f"{guard.FORM};;=;*", f"{guard.FORM}; a*0*=%ff'%", f" {guard.FORM} ;"]
)
def test_whatever_else_a_type_says_is_no_matter(console: Program, kind: str) -> None:
    body = b"user=%ed%a0%80&password=%ff&code=%00"
    said = console.ask(
        "POST", "/sign-in", body, {**OWN, "content-type": kind, "content-length": str(len(body))}, token=""
    )
    assert said.status == 422


def test_head_is_for_what_is_static_alone(console: Program) -> None:
    somebody = visitor(console, "aud1")
    cookie = {"cookie": f"gateway-{console.bench.code.lower()}={somebody.token}"}
    assert somebody.get("/audit").status == 200
    for path in ("/audit", "/transfers/x/evidence/y/file.zip", "/sign-in", "/api/v1/transfers", "/nothing"):
        said = console.ask("HEAD", path, headers=cookie, token="")
        assert (said.status, said.headers["allow"]) == (405, "GET, POST")
    assert console.ask("HEAD", "/static/console.js", token="").status == 200
