"""Somebody at a browser without JavaScript: the console's real application, asked in memory, with a session and its token of forms."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlencode

from gateway.administration.credentials.context import digest_of
from gateway.administration.credentials.rows import Credential, StoredSession
from gateway.console.web import csrf_of
from gateway.domain.people import PersonRole
from gateway.ledger.queries.people import find_person
from tests.fakes.credentials import CHEAP
from tests.fakes.programs import HOST, Program, Said
from tests.fakes.staff import hire


@dataclass(frozen=True)
class Visitor:
    """Somebody who is signed in at a site's console. Forms are posted as a browser posts them."""

    console: Program
    token: str

    def get(self, path: str) -> Said:
        return self.console.ask("GET", path, headers=self._headers, token="")

    def post(self, path: str, **fields: str) -> Said:
        """With this session's token, unless `fields` have another one."""
        body = urlencode({"csrf": csrf_of(self.token), **fields}).encode()
        more = {
            "origin": f"http://{HOST}",
            "content-type": "application/x-www-form-urlencoded",
            "content-length": str(len(body)),
        }
        return self.console.ask("POST", path, body, {**self._headers, **more}, token="")

    @property
    def _headers(self) -> dict[str, str]:
        return {"cookie": f"gateway-{self.console.bench.code.lower()}={self.token}"}


def visitor(console: Program, user: str, *roles: PersonRole) -> Visitor:
    """Signed in; added first, with these roles, where there are some."""
    for role in roles[:1]:
        hire(console.bench.ledger, user, role=role)
    context = console.site.credentials
    token = context.token()
    with context.ledger.read() as connection:
        person = find_person(connection, user)
    assert person is not None
    now = context.clock()
    with context.store.write() as records:
        records.keep_credential(Credential(user, CHEAP.hash("a password"), now, "", 0))
        records.start_session(StoredSession(digest_of(token), user, person.changes, now, now))
    return Visitor(console, token)


def words(said: Said) -> str:
    """What a page says, without its tags."""
    return " ".join(re.sub(r"<[^>]+>", " ", said.body.decode()).split())
