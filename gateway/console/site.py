"""What every page needs: the site's settings, its ledger, the credentials of its people, and the time. Whoever makes it closes it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event

from gateway.administration.credentials.context import CredentialContext
from gateway.domain.identity import to_text
from gateway.ledger.store import Connection, Ledger
from gateway.logs import Logger
from gateway.settings.model import Settings


@dataclass(frozen=True)
class Site:
    """For any number of threads."""

    settings: Settings
    credentials: CredentialContext
    log: Logger
    stopping: Event = field(default_factory=Event)
    """Set when the console ends: what goes on for long ends with it."""

    @property
    def ledger(self) -> Ledger:
        return self.credentials.ledger

    @property
    def now(self) -> float:
        """Seconds since 1970."""
        return self.credentials.clock()

    @property
    def now_text(self) -> str:
        """The moment, RFC 3339, UTC."""
        return to_text(self.now)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view of the ledger."""
        with self.ledger.read() as connection:
            yield connection
