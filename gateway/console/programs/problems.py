"""What a program is told where something cannot be done: problem details (RFC 9457). Raises nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import orjson
from pydantic import ValidationError
from starlette.responses import Response

from gateway.errors import Defer, GatewayError, Halt, KeyReused, NotFound, NotPermitted, OutcomeContrary, RightMissing

MEDIA_TYPE: Final = "application/problem+json"
_STATUS: Final[tuple[tuple[type[GatewayError], int], ...]] = (
    (NotFound, 404),
    (RightMissing, 403),
    (NotPermitted, 403),
    (OutcomeContrary, 409),
    (KeyReused, 422),
    (Defer, 503),
    (Halt, 503),
)
_AGAIN_SECONDS: Final = 5


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong with a request: where, and what."""

    at: str
    detail: str


@dataclass(frozen=True)
class ProblemDetails:
    """`code` is the error's, as docs/errors.md has it, or a word for what HTTP says; `remedy` is what to do next."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    remedy: str | None = None
    errors: tuple[Finding, ...] = ()


class Problem(Exception):
    """Ends a request with that answer."""

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        *,
        remedy: str | None = None,
        errors: Sequence[Finding] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(detail)
        self.details = ProblemDetails(
            "about:blank", HTTPStatus(status).phrase, status, detail, code, remedy, tuple(errors)
        )
        self.headers = dict(headers or {})


def response(problem: Problem) -> Response:
    """The problem as an answer."""
    content: dict[str, Any] = {name: value for name, value in vars(problem.details).items() if value not in (None, ())}
    return Response(orjson.dumps(content), problem.details.status, problem.headers, MEDIA_TYPE)


def of_error(error: GatewayError) -> Problem:
    """An error of the gateway's as a program is told it."""
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 422)
    headers = {"retry-after": str(_AGAIN_SECONDS)} if status == 503 else None
    remedy = None if status == 404 else error.remedy
    return Problem(status, error.code, error.reason, remedy=remedy, headers=headers)


def of_validation(error: ValidationError, where: str) -> Problem:
    """What does not fit the schema; never the values, which may name people."""
    found = error.errors(include_input=False, include_url=False, include_context=False)
    if found[0]["type"] == "json_invalid":
        return Problem(400, "json", "The body is no JSON, or is nested too deeply.")
    errors = [Finding("/".join([where, *map(str, each["loc"])]), each["msg"]) for each in found[:20]]
    return Problem(422, "schema", "The request does not fit the description of this operation.", errors=errors)
