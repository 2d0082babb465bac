"""The interface for programs as an ASGI application: who asks by the token, how often, whether it may, and what it sent.

A request is refused in that order, so that nobody without a token learns anything of a site. Cookies are not read, so no page of somebody else's
can ask in a person's name; and no answer lets another site's page read it. Every request looks token and owner up anew.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from functools import partial
from math import ceil
from typing import Any, Final

import orjson
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway.administration.credentials import refusals, tokens
from gateway.console.programs import events, payloads, submissions
from gateway.console.programs.calls import Call
from gateway.console.programs.openapi import FILE, document
from gateway.console.programs.operations import OPERATIONS, Operation
from gateway.console.programs.problems import Problem, of_error, of_validation, response
from gateway.console.programs.rate import Buckets, Places
from gateway.console.site import Site
from gateway.console.watching import Watch
from gateway.domain.people import Token, may
from gateway.errors import GatewayError

MOST_BYTES: Final = 32 * 1024
"""Of a body in JSON."""
MOST_WAITING: Final = 4
"""Requests of one token that wait for events at once."""
ALL_WAITING: Final = 100
REFUSALS: Final = 10
"""Requests of one address within a minute that show no token that counts, and are told to the chain."""
_JSON: Final = "application/json"


def programs(site: Site, address: Callable[[Request], str]) -> ASGIApp:
    """The application; `address` says whose request it is."""
    desk = _Desk(site, address)
    by_path: dict[str, dict[str, Operation]] = {}
    for operation in OPERATIONS:
        by_path.setdefault(operation.path, {})[operation.method] = operation
    routes: list[BaseRoute] = [
        Route(path, desk.endpoint(known), methods=list(known)) for path, known in by_path.items()
    ]
    routes.append(Route("/openapi.json", _description))
    handlers: Any = {HTTPException: _no_operation, 500: _failed}
    app = Starlette(routes=routes, exception_handlers=handlers)
    app.router.redirect_slashes = False
    return app


async def _description(_request: Request) -> Response:
    """For anybody: it is of the program, and says nothing of the site."""
    return Response(orjson.dumps(document()), media_type=_JSON)


class _Desk:
    """What all requests share: who asked how often, and who waits."""

    def __init__(self, site: Site, address: Callable[[Request], str]) -> None:
        self._site = site
        self._address = address
        self._buckets = Buckets(site.settings.console.token_requests)
        self._strangers = Buckets(REFUSALS)
        self._places = Places(MOST_WAITING, ALL_WAITING)
        self._heads = Watch(partial(events.head, site))

    def endpoint(self, known: Mapping[str, Operation]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            operation = known[request.method]
            try:
                return await self._answer(operation, request)
            except Problem as problem:
                return response(problem)
            except GatewayError as error:
                return response(of_error(error))

        return answer

    async def _answer(self, operation: Operation, request: Request) -> Response:
        secret = _bearer(request)
        token = await run_in_threadpool(self._admit, operation, secret, self._address(request))
        query = None if operation.query is None else _query(operation, request)
        if operation.query is None and request.query_params:
            raise Problem(422, "schema", "This operation takes no query.")
        body, key = (None, "") if operation.body is None else (await _body(operation, request), _key(request))
        path = {name: str(value) for name, value in request.path_params.items()}
        call = Call(self._site, token, path, query, body, key)
        if operation.takes_file:
            _require_type(request, FILE)
            return await submissions.take(replace(call, key=_key(request)), request)
        if operation.gives is bytes:
            return await payloads.give(call)
        if operation.answer is not None:
            return await run_in_threadpool(operation.answer, call)
        return await self._follow(call, secret, request)

    def _admit(self, operation: Operation, secret: str, address: str) -> Token:
        """Who asks, where a token counts, may do that, and has not asked too often."""
        site, now = self._site, self._site.now
        site.look()
        token = tokens.look(site.credentials, secret)
        if token is None:
            _wait(self._strangers.take(address, now))
            refusals.token_refused(site.credentials, address, None, operation.name, operation.right)
            raise Problem(
                401,
                "token",
                "There is no token, it has ended, or its owner may not use it.",
                headers={"www-authenticate": "Bearer"},
            )
        _wait(self._buckets.take(token.name, now))
        if not may(token, operation.right):
            refusals.token_refused(site.credentials, address, token.name, operation.name, operation.right)
            raise Problem(
                403, "right-missing", f"The token does not have the right to {operation.right}, or its owner."
            )
        return token

    async def _follow(self, call: Call, secret: str, request: Request) -> Response:
        name = call.token.name
        if not self._places.take(name):
            raise Problem(429, "waiting", f"{MOST_WAITING} requests of a token wait for events at most.")

        async def again() -> Token | None:
            return await run_in_threadpool(tokens.look, self._site.credentials, secret)

        if "text/event-stream" not in request.headers.get("accept", ""):
            try:
                return await events.wait(call, again, self._heads)
            finally:
                self._places.give_back(name)
        last = request.headers.get("last-event-id", "")
        after = int(last) if last.isascii() and last.isdecimal() and len(last) < 19 else call.query.after
        return _Held(events.stream(call, again, self._heads, after), partial(self._places.give_back, name))


class _Held(Response):
    """A stream that keeps its place until it has ended, however that is."""

    def __init__(self, inner: Response, give_back: Callable[[], None]) -> None:
        self._inner = inner
        self._give_back = give_back

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._inner(scope, receive, send)
        finally:
            self._give_back()


def _bearer(request: Request) -> str:
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    return secret.strip()[:200] if scheme.lower() == "bearer" else ""


def _wait(seconds: float) -> None:
    if seconds:
        raise Problem(429, "too-often", "Too many requests.", headers={"retry-after": str(ceil(seconds))})


def _query(operation: Operation, request: Request) -> Any:
    given = request.query_params.multi_items()
    fields = dict(given)
    if len(fields) != len(given):
        raise Problem(422, "schema", "Each field of a query is given once.")
    assert operation.query is not None  # noqa: S101 - whoever calls has looked
    try:
        return operation.query.model_validate_strings(fields)
    except ValidationError as error:
        raise of_validation(error, "query") from None


async def _body(operation: Operation, request: Request) -> Any:
    _require_type(request, _JSON)
    content = bytearray()
    try:
        async for part in request.stream():
            content += part
            if len(content) > MOST_BYTES:
                raise Problem(413, "too-large", f"A body has {MOST_BYTES} bytes at most.")
    except ClientDisconnect:
        raise Problem(400, "unfinished", "The body did not come whole in time.") from None
    assert operation.body is not None  # noqa: S101 - whoever calls has looked
    try:
        body = operation.body.model_validate_json(bytes(content))
    except ValidationError as error:
        raise of_validation(error, "body") from None
    json.loads(
        content, object_pairs_hook=_once
    )  # the last would count, and a reader on the way may have taken the first
    return body


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise Problem(422, "schema", "Each name of an object is given once.")
    return found


def _require_type(request: Request, wanted: str) -> None:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != wanted:
        raise Problem(415, "media-type", f"The body has to be {wanted}.")


def _key(request: Request) -> str:
    key = request.headers.get("idempotency-key", "")
    if not 0 < len(key) <= 255:
        raise Problem(400, "idempotency-key-missing", "Give the header Idempotency-Key: 1 to 255 characters.")
    return key


async def _no_operation(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - what it is registered for
    code = {404: "not-found", 405: "method"}.get(error.status_code, "http")
    return response(Problem(error.status_code, code, "There is no such operation.", headers=error.headers))


async def _failed(_request: Request, _error: Exception) -> Response:
    """A defect of ours: uvicorn logs it."""
    return response(Problem(500, "fault", "The console has a fault: its log says more."))
