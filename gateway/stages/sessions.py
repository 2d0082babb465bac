"""Kept sessions: making one costs a tenth of a second, so a partner's rest for a while after their use.

Raises what a transport's `connect` raises. A partner has one session as long as one is enough; a second is made where the
first is in use, so that small parcels overtake a large one. Safe for the threads of all lanes at once.
"""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Final

from gateway.errors import LinkBroken
from gateway.transport.contract import Session, Transport

IDLE_SECONDS: Final = 120.0
"""A session that nothing used for so long is closed."""


class Sessions:
    """The sessions towards all partners. `clock` gives seconds."""

    def __init__(self, transports: Mapping[str, Transport], clock: Callable[[], float]) -> None:
        self._transports = transports
        self._clock = clock
        self._lock = threading.Lock()
        self._resting: defaultdict[str, list[tuple[Session, float]]] = defaultdict(list)
        self._used: set[Session] = set()
        self._closed = False

    def take(self, partner: str) -> Session:
        """A live session that nobody else uses until it is given back or dropped."""
        session = self._rested(partner) or self._transports[partner].connect()
        with self._lock:
            if not self._closed:
                self._used.add(session)
                return session
        session.close()
        raise LinkBroken("the gateway is being stopped")

    def release(self, partner: str, session: Session) -> None:
        with self._lock:
            self._used.discard(session)
            self._resting[partner].append((session, self._clock()))

    def drop(self, session: Session) -> None:
        """Close a session after an error: its state is unknown."""
        with self._lock:
            self._used.discard(session)
        session.close()

    def close_idle(self, now: float) -> None:
        with self._lock:
            idle = []
            for partner, resting in self._resting.items():
                idle += [session for session, used in resting if now - used > IDLE_SECONDS]
                self._resting[partner] = [each for each in resting if now - each[1] <= IDLE_SECONDS]
        for session in idle:
            session.close()

    def close(self) -> None:
        """Close all of them, those in use too: that ends uploads in mid-file."""
        with self._lock:
            self._closed = True
            sessions = [*self._used, *(session for resting in self._resting.values() for session, _ in resting)]
            self._resting.clear()
        for session in sessions:
            session.close()

    def _rested(self, partner: str) -> Session | None:
        while True:
            with self._lock:
                resting = self._resting[partner]
                if not resting:
                    return None
                session, _ = resting.pop()
            if session.alive:
                return session
            session.close()  # the partner closed it while it rested: that is no failure of the lane
