"""Kept sessions: making one takes a tenth of a second, so sessions stay open for a while after their use.

Raises what a transport's `connect` raises. A partner gets a second session only while its first is in use, so that small
parcels overtake a large one. Safe for the threads of all lanes at once.
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
        self._unused: defaultdict[str, list[tuple[Session, float]]] = defaultdict(list)
        self._in_use: set[Session] = set()
        self._closed = False

    def take(self, partner: str) -> Session:
        """A live session for the caller alone until it is released or dropped."""
        session = self._take_unused(partner) or self._transports[partner].connect()
        with self._lock:
            if not self._closed:
                self._in_use.add(session)
                return session
        session.close()
        raise LinkBroken("the gateway is being stopped")

    def release(self, partner: str, session: Session) -> None:
        with self._lock:
            self._in_use.discard(session)
            self._unused[partner].append((session, self._clock()))

    def drop(self, session: Session) -> None:
        """Close a session after an error: its state is unknown."""
        with self._lock:
            self._in_use.discard(session)
        session.close()

    def close_idle(self, now: float) -> None:
        with self._lock:
            idle = []
            for partner, unused in self._unused.items():
                idle += [session for session, used in unused if now - used > IDLE_SECONDS]
                self._unused[partner] = [each for each in unused if now - each[1] <= IDLE_SECONDS]
        for session in idle:
            session.close()

    def close(self) -> None:
        """Close all of them, those in use too: that ends uploads in mid-file."""
        with self._lock:
            self._closed = True
            sessions = [*self._in_use, *(session for unused in self._unused.values() for session, _ in unused)]
            self._unused.clear()
        for session in sessions:
            session.close()

    def _take_unused(self, partner: str) -> Session | None:
        while True:
            with self._lock:
                unused = self._unused[partner]
                if not unused:
                    return None
                session, _ = unused.pop()
            if session.alive:
                return session
            session.close()  # the partner closed it while nothing used it: that is no failure of the lane
