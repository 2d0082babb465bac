"""When a file in the spool is finished, judged from what is seen of it; no file is touched here.

A file is whole when it was renamed into place or has a NAME.ready marker. Otherwise it is quiet once size and
modification time have not changed for the flow's settle time while we looked; or, where nothing is remembered (after a
restart), once it is older than that and two looks a moment apart agree. A modification time in the future proves
nothing, so then only watching counts. Raises nothing. Safe for two threads: the watcher notes, the reader looks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

Key = tuple[str, str, str]
"""Flow, partner, name."""

_MOMENT: Final = 1.0
_FORGET_AFTER: Final = 3600.0


class Readiness(StrEnum):
    """What may be done with a file."""

    GROWING = "growing"
    QUIET = "quiet"
    """Nothing happened for long enough; its writer has not said that it is complete."""
    WHOLE = "whole"


@dataclass(slots=True)
class _Seen:
    size: int
    mtime_ns: int
    since: float
    looked: float
    moved: bool = False


class Settling:
    """Remembers what files looked like. `wall` gives seconds since 1970, `steady` seconds that never jump."""

    def __init__(self, wall: Callable[[], float], steady: Callable[[], float]) -> None:
        self._wall = wall
        self._steady = steady
        self._lock = threading.Lock()
        self._moved: dict[Key, float] = {}
        self._seen: dict[Key, _Seen] = {}

    def note_moved(self, path: Path) -> None:
        """A rename put this file in place; only the first content seen after it counts as whole."""
        with self._lock:
            self._seen.pop(key_of(path), None)
            self._moved[key_of(path)] = self._steady()

    def note_written(self, path: Path) -> None:
        """Somebody created or wrote this file in place."""
        with self._lock:
            self._moved.pop(key_of(path), None)
            self._seen.pop(key_of(path), None)

    def look(self, key: Key, size: int, mtime_ns: int, settle_seconds: float, *, marked: bool = False) -> Readiness:
        """Judge a file as it is now."""
        now = self._steady()
        with self._lock:
            seen = self._seen.get(key)
            if seen is None or (seen.size, seen.mtime_ns) != (size, mtime_ns):
                seen = _Seen(size, mtime_ns, now, now, moved=self._moved.pop(key, None) is not None)
                self._seen[key] = seen
            seen.looked = now
        if marked or seen.moved:
            return Readiness.WHOLE
        watched = now - seen.since
        old = self._wall() - mtime_ns / 1e9 >= settle_seconds
        if watched >= settle_seconds or (old and watched >= min(settle_seconds, _MOMENT)):
            return Readiness.QUIET
        return Readiness.GROWING

    def forget(self, key: Key) -> None:
        """The file is gone from the spool."""
        with self._lock:
            self._seen.pop(key, None)
            self._moved.pop(key, None)

    def prune(self) -> None:
        """Forget files that nobody has looked at for an hour: they were taken away by somebody else."""
        limit = self._steady() - _FORGET_AFTER
        with self._lock:
            self._seen = {key: seen for key, seen in self._seen.items() if seen.looked > limit}
            self._moved = {key: when for key, when in self._moved.items() if when > limit}


def key_of(path: Path) -> Key:
    """The key of `.../FLOW/PARTNER/NAME`."""
    return path.parent.parent.name, path.parent.name, path.name
