"""A program at a console's interface: the real application, asked in memory, on the ledger of a site in one process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from threading import BoundedSemaphore
from typing import Any, cast

import orjson
from starlette.types import ASGIApp

from gateway.administration.credentials import tokens
from gateway.administration.credentials.context import CredentialContext
from gateway.administration.credentials.passwords import Passwords
from gateway.administration.credentials.store import Store
from gateway.administration.credentials.tokens import Grant
from gateway.console.site import Site
from gateway.console.web import application
from gateway.domain.decision import Decision
from gateway.domain.people import PersonRole, Right
from gateway.logs import Logger
from tests.fakes.connections import one_at_a_time
from tests.fakes.credentials import CHEAP
from tests.fakes.staff import hire
from tests.fakes.two_ledgers import Bench

HOST = "127.0.0.1:9640"
WHY = Decision("tester", "because of the test")


@dataclass(frozen=True)
class Said:
    """An answer."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> Any:
        return orjson.loads(self.body)


@dataclass
class Program:
    """Asks a site's console. `token` is what it shows by default."""

    bench: Bench
    site: Site
    app: ASGIApp
    token: str = ""
    keys: Iterator[int] = field(default_factory=count)

    def grant(self, name: str, *rights: Right, owner: str = "op1", **more: Any) -> str:
        """A new token, for the flow of claims unless others are given."""
        made = Grant(rights, more.get("flows", ["claim"]), more.get("partners", ()), more.get("days", 90))
        return tokens.add(self.site.credentials, self.site.settings, name, owner, made, WHY)[0]

    def get(self, path: str, **headers: str) -> Said:
        return self.ask("GET", path, headers=headers)

    def answer(self, content: Any, key: str | None = None, token: str | None = None) -> Said:
        """Post an outcome."""
        given = f"key-{next(self.keys)}" if key is None else key
        headers = {"content-type": "application/json", "idempotency-key": given}
        body = content if isinstance(content, bytes) else orjson.dumps(content)
        return self.ask("POST", "/api/v1/outcomes", body, headers, token)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        token: str | None = None,
    ) -> Said:
        """One request."""
        secret = self.token if token is None else token
        sent = {"host": HOST, **({"authorization": f"Bearer {secret}"} if secret else {}), **(headers or {})}
        return asyncio.run(self._ask(method, path, body, sent))

    async def _ask(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> Said:
        address, _, query = path.partition("?")
        scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": address,
            "raw_path": address.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()],
            "client": ("192.0.2.7", 4711),
            "server": ("127.0.0.1", 9640),
            "scheme": "http",
        }
        parts = [body[start : start + 8192] for start in range(0, len(body), 8192)] or [b""]
        messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
        messages[-1]["more_body"] = False
        status, found, content = 0, {}, bytearray()

        async def receive() -> Any:
            if messages:
                return messages.pop(0)
            return await asyncio.Event().wait()

        async def send(message: Any) -> None:
            nonlocal status, found
            if message["type"] == "http.response.start":
                status = message["status"]
                found = {name.decode(): value.decode() for name, value in message["headers"]}
            content.extend(message.get("body", b""))

        await self.app(scope, receive, send)
        return Said(status, found, bytes(content))


@contextmanager
def program(bench: Bench, **console: Any) -> Iterator[Program]:
    """One at a site whose operator `op1` answers for it; `console` changes the site's settings of its console. Nobody may have
    two connections to the ledger at once.
    """
    hire(bench.ledger, "op1", role=PersonRole.OPERATOR)
    hire(bench.ledger, "aud1", role=PersonRole.AUDITOR)
    changed = bench.settings.console.model_copy(update={"listen": HOST, **console})
    settings = replace(bench.settings, console=changed)
    with closing(Store(bench.home.console_store)) as store:
        passwords = Passwords(CHEAP, BoundedSemaphore(4))
        context = CredentialContext(bench.ledger, store, changed, bench.code, passwords, bench._clock)
        site = Site(settings, context, cast("Logger", None))
        with one_at_a_time(bench.ledger):
            yield Program(bench, site, application(site))
