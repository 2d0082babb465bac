"""What every page needs: the site's settings, its ledger, the credentials of its people, and the time. Whoever makes it closes it."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from threading import Event, Lock
from typing import Any, Final, Generic, TypeVar

from gateway.administration.credentials.context import CredentialContext
from gateway.administration.identity_provider.provider import Provider
from gateway.administration.views.health import health
from gateway.administration.views.health_fields import Health
from gateway.console.machine import look
from gateway.domain.identity import to_text
from gateway.ledger.store import Connection, Ledger
from gateway.ledger.suspensions import SuspensionWatch
from gateway.logs import Logger
from gateway.settings.model import Settings

_MOST_KNOWN: Final = 10_000
_FRESH_SECONDS: Final = 2.0
T = TypeVar("T")


class Openings:
    """Which requests for a payload have been recorded as opened by this process: each is, before anything is shown, and once."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._known: dict[str, None] = {}

    def record(self, request: str, record: Callable[[], object]) -> bool:
        """Record it, if that was not done; whether it was done now."""
        with self._lock:
            if request in self._known:
                return False
            record()
            self._known[request] = None
            while len(self._known) > _MOST_KNOWN:
                del self._known[next(iter(self._known))]
            return True

    def __contains__(self, request: str) -> bool:
        return request in self._known


class Suspended:
    """The settings as the ledger's suspensions made them when somebody looked last."""

    def __init__(self, settings: Settings, ledger: Ledger) -> None:
        self._watch = SuspensionWatch(ledger, time.monotonic)
        self._lock = Lock()
        self.known = settings

    def look(self) -> None:
        """Look at the ledger: for whoever holds no connection to it, since others wait here meanwhile."""
        with self._lock:
            if self._watch.changed():
                self.known = self.known.with_suspended(self._watch.reasons())


class Kept(Generic[T]):
    """What takes long to look at, looked at once for all who ask within a moment."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._looked: tuple[float, T] | None = None

    def look(self, now: float, afresh: Callable[[], T]) -> T:
        """What was found a moment ago, or now by `afresh`."""
        with self._lock:
            if self._looked is None or not 0 <= now - self._looked[0] < _FRESH_SECONDS:
                self._looked = (now, afresh())
            return self._looked[1]


@dataclass(frozen=True)
class Site:
    """For any number of threads."""

    configured: Settings
    credentials: CredentialContext
    log: Logger
    stopping: Event = field(default_factory=Event)
    """Set when the console ends: what goes on for long ends with it."""
    openings: Openings = field(default_factory=Openings)
    provider: Provider | None = None
    """The identity provider, where the site has one."""
    board: Kept[Any] = field(default_factory=Kept)
    """The overview's: it counts all that there is."""

    suspended: Suspended = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "suspended", Suspended(self.configured, self.ledger))

    @property
    def settings(self) -> Settings:
        """The site's settings, with the partners that people had suspended when `look` was called last. It reads nothing, and may be asked for
        anywhere.
        """
        return self.suspended.known

    def look(self) -> None:
        """Look who is suspended: every request does, before it reads anything else."""
        self.suspended.look()

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

    def reading(self) -> AbstractContextManager[Connection]:
        """One consistent view of the ledger."""
        return self.ledger.read()

    def health(self, connection: Connection) -> Health:
        """The site's health now, as far as the console sees it. It counts all that there is."""
        return health(self.settings, connection, look(self.settings), self.now)
