"""What every request passes before a page is asked for, and what every answer carries: sizes, deadlines, hosts, headers.

Pure ASGI. A request that is refused here says so in one line, and no page of the console sees it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping
from math import inf
from types import MappingProxyType
from typing import Final

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway.console.programs.problems import Problem, response

MOST_BYTES: Final = 64 * 1024
"""Of a request's body, where its page does not take files."""
REQUEST_SECONDS: Final = 15.0
"""Within which the next piece of a body has to be here."""
BODY_SECONDS: Final = 30.0
"""Within which the whole of it has to be here, where its page does not take files."""
FORM: Final = "application/x-www-form-urlencoded"
"""What a form without a file comes as. In multipart/form-data whoever sends it would choose how its letters are read."""
PROGRAMS: Final = "/api/"
"""What addresses of the interface for programs begin with."""
_FETCH_SITES: Final = ("same-origin", "none")
_STATIC: Final = "/static/"

HEADERS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "content-security-policy": "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self';"
        " form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
        "cross-origin-opener-policy": "same-origin",
        "cross-origin-resource-policy": "same-origin",
        "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
        "referrer-policy": "same-origin",
        "x-content-type-options": "nosniff",
        "x-frame-options": "DENY",
    }
)
"""On every answer. Nothing inline, nothing from anywhere else, no page in a frame."""


class Guard:
    """Wraps an application. `hosts` are the names under which the console is known: a request for another one may have been
    led here by somebody else's name server. `larger` has the bytes of a body where it may be longer than MOST_BYTES, by path.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str], larger: Mapping[str, int] | None = None) -> None:
        self._app = app
        self._hosts = frozenset(hosts)
        self._larger = larger or {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, refuse, or pass on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        refusal = self._refusal(scope)
        if refusal is not None:
            await refusal(scope, receive, send_guarded)
            return
        body = _Body(receive, self._most(scope), None if self._takes_file(scope) else BODY_SECONDS)
        await self._app(scope, body, send_guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        headers = Headers(scope=scope)
        if scope["path"].startswith(PROGRAMS):
            return self._problem(scope, headers)
        if headers.get("host", "") not in self._hosts:
            return PlainTextResponse("The console is not known by this name.\n", 421)
        if scope["method"] not in ("GET", "POST") and not (_is_head(scope) and scope["path"].startswith(_STATIC)):
            return PlainTextResponse("The console answers GET and POST.\n", 405, {"allow": "GET, POST"})
        if scope["method"] == "POST" and not self._is_own(headers):
            return PlainTextResponse("This came from a page that is not the console's.\n", 403)
        if scope["method"] == "POST" and not self._takes_file(scope) and not _is_form(headers):
            return PlainTextResponse("This is no form of the console's.\n", 415)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length[:20]) > self._most(scope):
            return PlainTextResponse("This is too much for a form.\n", 413)
        return None

    def _problem(self, scope: Scope, headers: Headers) -> Response | None:
        """For programs, which no browser made ask: they show a token, and nothing is read that a browser sends by itself."""
        if headers.get("host", "") not in self._hosts:
            return response(Problem(421, "host", "The console is not known by this name."))
        if _is_head(scope):  # a file would be told as taken, and no byte of it given
            return response(Problem(405, "method", "There is no such operation.", headers={"allow": "GET, POST"}))
        length, most = headers.get("content-length", "0"), self._most(scope)
        if not length.isdecimal() or int(length[:20]) > most:
            return response(Problem(413, "too-large", f"A body has {most} bytes at most."))
        return None

    def _most(self, scope: Scope) -> int:
        """How long a body may be."""
        return self._larger[scope["path"]] if self._takes_file(scope) else MOST_BYTES

    def _takes_file(self, scope: Scope) -> bool:
        return scope["method"] == "POST" and scope["path"] in self._larger

    def _is_own(self, headers: Headers) -> bool:
        """Whether a browser says that one of our pages sent this. Browsers that say neither are older than those that are supported."""
        site, origin = headers.get("sec-fetch-site"), headers.get("origin")
        if site is not None and site not in _FETCH_SITES:
            return False
        return origin is not None and origin.partition("://")[2] in self._hosts


def _is_head(scope: Scope) -> bool:
    """Whether a page is asked for without its content. Many a page is recorded as seen, or a file as taken, so none is answered so."""
    return bool(scope["method"] == "HEAD")


def _is_form(headers: Headers) -> bool:
    """Whether a body says that it is a form without a file; one that says nothing is not read."""
    kind = headers.get("content-type")
    return kind is None or kind.partition(";")[0].strip().lower() == FORM


class _Body:
    """A request's body as far as it may be long, and within its time: each piece, and with `seconds` the whole."""

    def __init__(self, receive: Receive, most: int, seconds: float | None) -> None:
        self._receive = receive
        self._most = most
        self._seconds = seconds
        self._until = inf
        self._bytes = 0
        self._ended = False

    async def __call__(self) -> Message:
        if self._ended:
            return await self._receive()  # waits for the client to go: an answer may take long
        now = asyncio.get_running_loop().time()
        if self._seconds is not None:
            self._until, self._seconds = now + self._seconds, None
        try:
            async with asyncio.timeout_at(min(now + REQUEST_SECONDS, self._until)):
                message = await self._receive()
        except TimeoutError:
            return {"type": "http.disconnect"}
        self._bytes += len(message.get("body", b""))
        self._ended = not message.get("more_body", False)
        return {"type": "http.disconnect"} if self._bytes > self._most else message
