"""The console's credentials on a real ledger and a real store, with a clock of the test's own and a cheap hash."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import BoundedSemaphore
from typing import Any

import orjson
import pyotp
from argon2 import PasswordHasher

from gateway.administration.credentials import links, signing_in
from gateway.administration.credentials.context import CredentialContext
from gateway.administration.credentials.passwords import Passwords
from gateway.administration.credentials.sessions import Session
from gateway.administration.credentials.signing_in import Attempt
from gateway.administration.credentials.store import Store
from gateway.administration.people import roster
from gateway.domain.decision import Decision
from gateway.domain.people import PersonRole
from gateway.ledger.queries import events
from gateway.ledger.store import Ledger
from gateway.settings.console import ConsoleSettings
from tests.fakes.ledgers import SqliteLedgers

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""A hash in 0.1 ms. The real one takes 64 MiB and a quarter of a second."""
GOOD = "kettle upon a violet mountain"
WHY = Decision("tester", "because of the test")
START = 1_800_000_000.0
DAY = 86_400.0


@dataclass
class Desk:
    """A console's credentials. `now` is the time of ledger and store; `secrets` are the second factors, by user id."""

    context: CredentialContext
    now: float = START
    secrets: dict[str, str] = field(default_factory=dict)

    def person(self, user: str, *roles: PersonRole, password: str = GOOD) -> None:
        """Somebody who has set a password."""
        dates = {"agreement": "2026-01-01", "training": "2026-01-02"}
        details = roster.Details(name="Invented", unit="Assessment", **dates)
        roster.add(self.context.ledger, user, roles, details, WHY)
        self.set_password(user, password)

    def set_password(self, user: str, password: str = GOOD) -> None:
        """By a new link."""
        token = links.issue(self.context, user, WHY)
        self.secrets[user] = links.start(self.context, token).secret
        links.use(self.context, token, password, self.code(user))
        self.now += 30.0

    def code(self, user: str) -> str:
        """What the app shows now."""
        return str(pyotp.TOTP(self.secrets[user]).at(int(self.now)))

    def attempt(self, user: str, password: str = GOOD, code: str | None = None, address: str = "192.0.2.1") -> Attempt:
        """With the right code, unless another is given."""
        if code is None:
            code = self.code(user) if user in self.secrets else "000000"
        return Attempt(user, password, code, address)

    def sign_in(self, user: str, before: str | None = None) -> tuple[str, Session]:
        """Rightly; the next code comes half a minute later."""
        signed = signing_in.sign_in(self.context, self.attempt(user), before)
        self.now += 30.0
        return signed

    def told(self, *names: str) -> list[tuple[str, str, dict[str, Any]]]:
        """Name, subject and detail of the events of these names, without reasons; of all but the ledger's own where none is given."""
        with self.context.ledger.read() as connection:
            entries = [entry for entry in events.chain(connection) if entry.kind != "ledger"]
        found = []
        for entry in entries:
            detail = orjson.loads(entry.detail)
            detail.pop("reason_sha256", None)
            if not names or entry.event in names:
                found.append((entry.event, entry.subject, detail))
        return found


@contextmanager
def desk(directory: Path, settings: ConsoleSettings | None = None) -> Iterator[Desk]:
    """One in an empty directory."""
    SqliteLedgers().new(directory / "ledger.sqlite3")
    moment = [START]
    made: list[Desk] = []

    def clock() -> float:
        return made[0].now if made else moment[0]

    ledger = Ledger(directory / "ledger.sqlite3", clock=clock, role="console")
    store = Store(directory / "console" / "console.db")
    passwords = Passwords(CHEAP, BoundedSemaphore(4))
    made.append(Desk(CredentialContext(ledger, store, settings or ConsoleSettings(), "DWP", passwords, clock)))
    try:
        yield made[0]
    finally:
        store.close()
        ledger.close()
