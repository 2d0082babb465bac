"""A form with a file: streamed to the disk in whatever pieces it comes, and nothing left of one that is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import ClientDisconnect, Request

from gateway.console.guard import MOST_BYTES, Guard
from gateway.console.uploading import LONGEST_FIELD, MOST_FIELDS, Came, receive

BOUNDARY = b"x-boundary-x"
CONTENT = b"<Claims>\r\n--x-boundary\r\n" + bytes(range(256)) * 20
ID = "01a223f7-46dd-7af3-9472-12572cfbfcc8"


def part(name: str, content: bytes, filename: str | None = None) -> bytes:
    named = b"" if filename is None else f'; filename="{filename}"'.encode()
    head = b'Content-Disposition: form-data; name="%b"%b\r\n' % (name.encode(), named)
    return b"--" + BOUNDARY + b"\r\n" + head + b"\r\n" + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--" + BOUNDARY + b"--\r\n"


GOOD = form(part("csrf", b"token"), part("flow", b"claim"), part("file", CONTENT, "a.xml"))


def came(
    directory: Path,
    pieces: Iterable[bytes],
    *,
    most: int = 1 << 20,
    kind: str = "multipart/form-data",
    cut: bool = False,
) -> Came:
    """What comes of a body in these pieces; `cut` says that the client goes before the end."""
    messages: list[dict[str, Any]] = [{"type": "http.request", "body": each, "more_body": True} for each in pieces]
    messages.append({"type": "http.disconnect"} if cut else {"type": "http.request", "body": b"", "more_body": False})

    async def next_message() -> dict[str, Any]:
        return messages.pop(0)

    header = f"{kind}; boundary={BOUNDARY.decode()}".encode()
    request = Request({"type": "http", "method": "POST", "headers": [(b"content-type", header)]}, next_message)
    allowed = lambda fields: most if fields.get("csrf") == "token" else 0  # noqa: E731
    return asyncio.run(receive(request, directory / ID, allowed))


def coming(directory: Path) -> bytes:
    return (directory / f"{ID}.part").read_bytes()


@pytest.mark.parametrize("length", [1, 7, 64, 1 << 20])
def test_a_file_comes_whole_in_whatever_pieces(tmp_path: Path, length: int) -> None:
    found = came(tmp_path, [GOOD[at : at + length] for at in range(0, len(GOOD), length)])
    assert (found.name, found.size, found.fault) == ("a.xml", len(CONTENT), "")
    assert found.fields == {"csrf": "token", "flow": "claim"}
    assert coming(tmp_path) == CONTENT


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (form(part("csrf", b"token"), part("file", b"", "")), "Choose a file"),
        (form(part("csrf", b"token")), "Choose a file"),
        (form(part("csrf", b"token"), part("file", b"", "a.xml")), "empty"),
        (form(part("csrf", b"other"), part("file", CONTENT, "a.xml")), "out of date"),
        (form(part("file", CONTENT, "a.xml"), part("csrf", b"token")), "out of date"),
        (form(part("csrf", b"token"), part("file", b"a", "a"), part("file", b"b", "b")), "One file"),
        (form(*[part(f"f{at}", b"") for at in range(MOST_FIELDS + 1)], part("file", b"a", "a")), "more fields"),
        (form(part("csrf", b"t" * (LONGEST_FIELD + 1)), part("file", b"a", "a")), "longer"),
        (b"no form at all", "broken"),
        (GOOD[: len(GOOD) // 2], "Choose a file"),
    ],
)
def test_what_is_refused_leaves_nothing(tmp_path: Path, body: bytes, fault: str) -> None:
    assert fault in came(tmp_path, [body]).fault
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_too_large_is_thrown_away_while_it_comes(tmp_path: Path) -> None:
    found = came(tmp_path, [GOOD], most=len(CONTENT) - 1)
    assert "larger than" in found.fault
    assert list(tmp_path.iterdir()) == []


def test_a_client_that_goes_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ClientDisconnect):
        came(tmp_path, [GOOD[:-40]], cut=True)
    assert list(tmp_path.iterdir()) == []


def test_another_kind_of_form_is_none(tmp_path: Path) -> None:
    assert "no form" in came(tmp_path, [GOOD], kind="application/x-www-form-urlencoded").fault


@pytest.mark.parametrize(
    ("name", "kept"),
    [("C:\\\\files\\\\a.xml", "a.xml"), ("../../etc/passwd", "passwd"), ("a" * 300, "a" * 255)],
)
def test_a_name_is_no_path(tmp_path: Path, name: str, kept: str) -> None:
    found = came(tmp_path, [form(part("csrf", b"token"), part("file", b"a", name))])
    assert found.name == kept
    assert coming(tmp_path) == b"a"


@pytest.mark.parametrize(
    ("path", "method", "length", "status"),
    [
        ("/send", "POST", MOST_BYTES + 1, 200),
        ("/send", "POST", 1001 * MOST_BYTES, 413),
        ("/send", "GET", MOST_BYTES + 1, 413),
        ("/people/add", "POST", MOST_BYTES + 1, 413),
        ("/send", "POST", -1, 413),
    ],
)
def test_one_page_alone_takes_more_than_a_form(path: str, method: str, length: int, status: int) -> None:
    async def page(_scope: Any, _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    said: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        said.append(message)

    async def receive_nothing() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    headers = {"host": "a", "origin": "https://a", "sec-fetch-site": "same-origin", "content-length": str(length)}
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
    }
    asyncio.run(Guard(page, ["a"], {"/send": 1000 * MOST_BYTES})(scope, receive_nothing, send))
    assert said[0]["status"] == status
