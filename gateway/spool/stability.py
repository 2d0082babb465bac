"""When a file in the spool is finished, judged from what is seen of it; no file is touched here.

A file is whole when it was renamed into place or has a NAME.ready marker. Otherwise it is quiet once it has been
*watched* for the flow's settle time without a change. What its times say counts for nothing: a copy may keep the times
of its source, and a file server has a clock of its own. So after a restart the watching begins again. A file of which
a write was seen, and not its end, is growing whatever else is true. Raises nothing. Safe for two threads: the watcher
notes, the reader looks.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

Key = tuple[str, str, str]
"""Flow, partner, name."""

Mark = tuple[int, ...]
"""What changes with a file: see `mark_of`."""

_FORGET_AFTER: Final = 3600.0
_WRITE_WITHOUT_END: Final = 3600.0
"""Seconds after which a write whose end was never seen counts no more: the kernel may have dropped that event."""


class Readiness(StrEnum):
    """What may be done with a file."""

    GROWING = "growing"
    QUIET = "quiet"
    """Nothing happened for long enough; its writer has not said that it is complete."""
    WHOLE = "whole"


@dataclass(slots=True)
class _Seen:
    mark: Mark
    since: float
    looked: float
    moved: bool = False
    open_since: float | None = None


class Stability:
    """Remembers what files looked like. `steady` gives seconds that never jump."""

    def __init__(self, steady: Callable[[], float]) -> None:
        self._steady = steady
        self._lock = threading.Lock()
        self._moved: dict[Key, float] = {}
        self._seen: dict[Key, _Seen] = {}
        self._writing: dict[Key, float] = {}

    def note_moved(self, path: Path) -> None:
        """A rename put this file in place; only the first content seen after it counts as whole."""
        key = key_of(path)
        with self._lock:
            self._seen.pop(key, None)
            self._writing.pop(key, None)
            self._moved[key] = self._steady()

    def note_written(self, path: Path, *, writing: bool = False) -> None:
        """Somebody created or wrote this file in place, and perhaps goes on `writing`."""
        key = key_of(path)
        with self._lock:
            self._moved.pop(key, None)
            self._seen.pop(key, None)
            self._writing.pop(key, None)
            if writing:
                self._writing[key] = self._steady()

    def look(self, key: Key, mark: Mark, settle_seconds: float, *, marked: bool = False) -> Readiness:
        """Judge a file as it is now."""
        now = self._steady()
        with self._lock:
            seen = self._seen.get(key)
            if seen is None or seen.mark != mark:
                seen = _Seen(mark, now, now, moved=self._moved.pop(key, None) is not None)
                self._seen[key] = seen
            seen.looked = now
            if now - self._writing.get(key, now - _WRITE_WITHOUT_END) < _WRITE_WITHOUT_END:
                return Readiness.GROWING
        if marked or seen.moved:
            return Readiness.WHOLE
        return Readiness.QUIET if now - seen.since >= settle_seconds else Readiness.GROWING

    def held_open(self, key: Key) -> float:
        """Somebody was found to have this file open for writing: for how many seconds that has been so."""
        now = self._steady()
        with self._lock:
            seen = self._seen.get(key)
            if seen is None:
                return 0.0
            if seen.open_since is None:
                seen.open_since = now
            return now - seen.open_since

    def forget(self, key: Key) -> None:
        """The file is gone from the spool."""
        with self._lock:
            self._seen.pop(key, None)
            self._moved.pop(key, None)
            self._writing.pop(key, None)

    def prune(self) -> None:
        """Forget files that nobody has looked at for an hour: they were taken away by somebody else."""
        limit = self._steady() - _FORGET_AFTER
        with self._lock:
            self._seen = {key: seen for key, seen in self._seen.items() if seen.looked > limit}
            self._moved = {key: when for key, when in self._moved.items() if when > limit}
            self._writing = {key: when for key, when in self._writing.items() if when > limit}


def mark_of(status: os.stat_result) -> Mark:
    """What changes when a file is written, replaced, or given other times: the last shows in its change time."""
    return status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def key_of(path: Path) -> Key:
    """The key of `.../FLOW/PARTNER/NAME`."""
    flow, partner, name = path.parts[-3:]
    return flow, partner, name
