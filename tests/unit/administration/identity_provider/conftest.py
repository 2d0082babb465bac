"""A console's credentials beside a real identity provider on loopback."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from gateway.administration.credentials.sessions import Session, look
from gateway.administration.identity_provider import signing_in
from gateway.administration.identity_provider.connection import ANSWER_SECONDS, Connection
from gateway.administration.identity_provider.provider import Provider
from gateway.administration.identity_provider.signing_in import Entered
from gateway.settings.console import ConsoleSettings
from gateway.settings.home import Home
from gateway.settings.identity_provider import IdentityProviderSettings
from gateway.settings.secrets import Secrets
from tests.fakes.credentials import Desk, desk
from tests.fakes.identity_provider import CLIENT, SECRET, Account, identity_provider, post
from tests.fakes.identity_provider import Provider as Real

BACK = "http://127.0.0.1:9640/sign-in/provider/return"
ADDRESS = "192.0.2.1"
SHORT = 0.5
"""Seconds that a provider has to answer in, where a test has it hang."""


@dataclass
class Site:
    """`real` is the provider, `provider` the console's knowledge of it; `seconds` is the time that only goes on."""

    desk: Desk
    real: Real
    home: Home
    settings: IdentityProviderSettings
    provider: Provider = field(init=False)
    seconds: float = 0.0
    patience: float = ANSWER_SECONDS
    told: list[Exception] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.set()

    def set(self, **about: Any) -> None:
        """Other settings; what was known of the provider is forgotten."""
        self.settings = IdentityProviderSettings.model_validate(self.settings.model_dump() | about)
        connection = Connection(self.settings, self.home.config, self.patience)
        self.provider = Provider(
            self.settings, Secrets(self.home), BACK, connection, lambda: self.seconds, self.told.append
        )

    def away(self, user: str = "hb1", onward: str = "/") -> tuple[str, dict[str, str]]:
        """Go to the provider and sign in there: the browser's token, and what it brings back."""
        token, address = signing_in.begin(self.desk.context, self.provider, onward)
        account = self.real.accounts[user]
        return token, post(address, {"user": user, "password": account.password}, BACK)

    def back(self, token: str | None, query: dict[str, str], before: str | None = None) -> Entered:
        return signing_in.finish(self.desk.context, self.provider, token, query, ADDRESS, before)

    def enter(self, user: str = "hb1") -> Entered:
        """The whole way."""
        return self.back(*self.away(user))

    def session(self, entered: Entered) -> Session | None:
        return look(self.desk.context, entered.session)

    def refusals(self) -> list[tuple[str, str]]:
        """Whom refused attempts are about, and why, as the chain has it."""
        return [(subject, told.get("outcome", "")) for _, subject, told in self.desk.told("signin.refused")]

    def pinned(self) -> list[str]:
        return [subject for _, subject, _ in self.desk.told("identity.pinned")]


@pytest.fixture(scope="session")
def running() -> Iterator[Real]:
    with identity_provider() as real:
        yield real


@pytest.fixture
def site(running: Real, tmp_path: Path) -> Iterator[Site]:
    fresh = Real(address=running.address, key=running.key, accounts={"hb1": Account.of("hb1")}, returns=[BACK])
    for name, value in vars(fresh).items():
        if name != "stopping":
            setattr(running, name, value)
    home = Home(tmp_path / "site")
    home.console.mkdir(parents=True)
    secret = home.console / "identity-provider.secret"
    secret.touch(0o600)
    secret.write_text(f"{SECRET}\n")
    settings = IdentityProviderSettings(issuer=running.address, client_id=CLIENT, amr=("mfa",))
    with desk(tmp_path, ConsoleSettings(identity_provider=settings)) as opened:
        opened.now = time.time()
        yield Site(opened, running, home, settings)
