"""Where one partner's server departs from the protocol, as far as that was met: shared by all its sessions.

Raises nothing. Safe for the threads of all lanes at once. Each habit is noted once, so the log tells of it without being
filled. An extension over which the server hung up or fell silent twice in a row is not asked for again for a day: once may be a
broken line.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from enum import StrEnum
from typing import Final

_ENOUGH: Final = 2
_FORGOTTEN_AFTER: Final = 86400.0


class Habit(StrEnum):
    """What the server does, and what the gateway does about it: a line of the log."""

    FSYNC = "fsync is offered and not served: that the file is durable, the receipt alone shows"
    LIMITS = "limits is offered and not served: requests are kept to 32 KiB"
    STATVFS = "statvfs is offered and not served: free room is not known"
    MISSING = "a missing file is not called that: it is told by a name that nobody has"
    UNLISTED = (
        "it does not say what lies in the directory: the answers to writing and renaming are relied on, and the receipt"
    )
    SIZE = "stat tells no size: it is asked for in another way"
    NO_SIZE = "no size is told in any way: the answers to writing are relied on, and the receipt"
    RENAMED = "renaming is answered with a failure though it was done: what lies there then counts"
    NAMED = "a file gets its final name by itself when it is closed: that is taken for the renaming"


FSYNC: Final = "fsync@openssh.com"
OFFERS: Final = {
    FSYNC: Habit.FSYNC,
    "limits@openssh.com": Habit.LIMITS,
    "statvfs@openssh.com": Habit.STATVFS,
}
"""The extensions that are ever asked for. All others, `posix-rename` and `hardlink` among them, are never used."""


class Habits:
    """`note` is called once for each habit, from whatever thread met it; `wall` gives seconds since 1970."""

    def __init__(self, note: Callable[[Habit], None], wall: Callable[[], float]) -> None:
        self._note = note
        self._wall = wall
        self._lock = threading.Lock()
        self._noted: set[Habit] = set()
        self._ended: dict[str, int] = {}
        self._avoided: dict[str, float] = {}

    def met(self, habit: Habit) -> None:
        with self._lock:
            if habit in self._noted:
                return
            self._noted.add(habit)
        self._note(habit)

    @property
    def known(self) -> frozenset[Habit]:
        """The habits that were met so far."""
        with self._lock:
            return frozenset(self._noted)

    def avoids(self, extension: str) -> bool:
        """Whether the extension is better not asked for."""
        with self._lock:
            since = self._avoided.get(extension)
            return since is not None and abs(self._wall() - since) < _FORGOTTEN_AFTER

    @property
    def suspects(self) -> bool:
        """Whether a connection ended over an extension that was not served since: once more, and it is avoided."""
        with self._lock:
            return bool(self._ended)

    def served(self, extension: str) -> None:
        """The server answered, whatever it said."""
        with self._lock:
            self._ended.pop(extension, None)

    def ended_over(self, extension: str) -> bool:
        """The connection ended while an answer was due; whether that is the server's doing, and it is avoided from now."""
        with self._lock:
            self._ended[extension] = self._ended.get(extension, 0) + 1
            if self._ended[extension] < _ENOUGH:
                return False
            self._avoided[extension] = self._wall()
            self._ended.pop(extension)
        self.met(OFFERS[extension])
        return True
