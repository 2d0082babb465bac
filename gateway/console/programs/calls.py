"""One request of a program, as an operation sees it, and what operations take and give. Raises nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from gateway.console.site import Site
from gateway.domain.people import Token
from gateway.ledger.queries.transfer_pages import Scope


class Fields(BaseModel):
    """What a program sends, in a query or a body: known fields alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Call:
    """`path` is what the address's pattern took out of it, `query` and `body` what the operation's models made of the rest; `key` is the idempotency
    key of an operation that takes one.
    """

    site: Site
    token: Token
    path: Mapping[str, str]
    query: Any
    body: Any
    key: str

    @property
    def scope(self) -> Scope:
        """What the token's lists are of."""
        return Scope(self.token.flows, self.token.partners)


def answered(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """JSON. Dataclasses become objects, their fields in order."""
    return Response(orjson.dumps(content), status, dict(headers or {}), "application/json")
