"""What every page needs: the site's settings, its ledger, the credentials of its people, and the time. Whoever makes it closes it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from gateway.administration.credentials.store import CredentialStore
from gateway.domain.identity import to_text
from gateway.ledger.store import Connection, Ledger
from gateway.settings.model import Settings


@dataclass(frozen=True)
class Site:
    """`clock` gives seconds since 1970, `random_bytes` so many of them."""

    settings: Settings
    ledger: Ledger
    credentials: CredentialStore
    clock: Callable[[], float]
    random_bytes: Callable[[int], bytes]

    @property
    def now(self) -> float:
        return self.clock()

    @property
    def now_text(self) -> str:
        """The moment, RFC 3339, UTC."""
        return to_text(self.clock())

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """One consistent view of the ledger."""
        with self.ledger.read() as connection:
            yield connection
