"""Counts of log-ins on their way from the process that runs sshd to the ledger: a small file for each.

The process that runs sshd may have no right to the ledger, so it leaves counts in a directory (`Home.logins`), and the link
role takes them from there into the chain. A file has one last name, however often it is tried, so that nothing is recorded twice.

The first log-in of its kind in an hour is handed over at once; what repeats it, when the hour is over or the server is
stopped. Until then the repeats lie in `hour.open` as well, at most a minute behind, and the next start hands that over: a
crash loses the repeats of the last minute, and the firsts of the last moment. Memory and files are bounded by the partners'
keys, not by how often anybody knocks; while nobody takes the files, there is no more than one an hour beyond `_WAITING`.

The writer's methods raise DiskFull or DiskFailed and have then lost nothing; `read` raises ValueError, and OSError as open(2).
"""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.domain.identity import RANDOM_BYTES, is_id, new_id
from gateway.domain.logins import MAX_BYTES, Count, Login, hour_of, parse, render
from gateway.storage.durable import DISK, Disk, disk_error, fsync_directory, make_directory, write_file

ENDING: Final = ".logins"

_OPEN: Final = "hour.open"
_KEEP_EVERY: Final = 60.0
_WAITING: Final = 500
_MODE: Final = 0o640
"""The directory's group takes them, where the link role has an account of its own."""


@dataclass(frozen=True)
class _Due:
    """A count to be handed over, under one name however often that is tried; `kept` where `hour.open` may have parts of it."""

    name: str
    count: Count
    kept: bool


class LoginCounts:
    """The counts of one process. `clock` gives seconds since 1970, `monotonic` counts them and never goes back.

    `count` may be called from any thread, everything else from one.
    """

    def __init__(
        self,
        directory: Path,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
        entropy: Callable[[int], bytes],
        disk: Disk = DISK,
    ) -> None:
        self._directory = directory
        self._clock = clock
        self._monotonic = monotonic
        self._entropy = entropy
        self._disk = disk
        self._lock = threading.Lock()
        self._hour = hour_of(clock())
        self._counted: dict[Login, int] = {}
        self._begun: set[Login] = set()  # the kinds that this hour had already
        self._due: list[_Due] = []
        self._kept: dict[Login, int] = {}
        self._kept_at = monotonic()
        self._recovered = False

    def count(self, login: Login) -> None:
        """One more. Nothing touches the disk here."""
        with self._lock:
            self._turn()
            self._counted[login] = self._counted.get(login, 0) + 1

    def step(self) -> None:
        """Hand over what is due, and keep the rest. To be called about once a second."""
        self._recover()
        crowded = self._is_crowded()
        with self._lock:
            self._turn()
            first = {login: self._counted[login] for login in self._counted.keys() - self._begun}
            self._begun |= first.keys()
            if first and not crowded:
                self._due.append(_Due(self._new_name(), Count(self._hour, first), kept=False))
                for login in first:
                    del self._counted[login]
        self._hand_over()
        with self._lock:
            rest = Count(self._hour, dict(self._counted))
        if (
            rest.logins != self._kept
            and rest.logins
            and self._monotonic() - self._kept_at >= _KEEP_EVERY
            and not self._due
        ):
            self._write(_OPEN, rest)
            self._kept, self._kept_at = dict(rest.logins), self._monotonic()

    def finish(self) -> None:
        """Hand over all that was counted: nobody counts for now."""
        self._recover()
        with self._lock:
            self._end_hour()
        self._hand_over()

    def _recover(self) -> None:
        """Before anything else: hand over what a process before this one has kept."""
        if self._recovered:
            return
        make_directory(self._directory, disk=self._disk)
        if (self._directory / _OPEN).exists():
            self._hand_over_kept(self._new_name())
        self._recovered = True

    def _turn(self) -> None:
        """When the hour changes, also because the clock was put back, the counts are due."""
        hour = hour_of(self._clock())
        if hour != self._hour:
            self._end_hour()
            self._hour = hour
            self._begun.clear()

    def _end_hour(self) -> None:
        if self._counted:
            self._due.append(_Due(self._new_name(), Count(self._hour, self._counted), kept=True))
            self._counted = {}

    def _hand_over(self) -> None:
        while self._due:
            due = self._due[0]  # only this thread takes any away
            if due.kept:
                self._write(_OPEN, due.count)
                self._hand_over_kept(due.name)
            else:
                self._write(due.name, due.count)
            del self._due[0]

    def _hand_over_kept(self, name: str) -> None:
        try:
            self._disk.rename(self._directory / _OPEN, self._directory / name)
        except OSError as error:
            raise disk_error(error, "handing over counts of log-ins") from error
        fsync_directory(self._directory, self._disk)
        self._kept, self._kept_at = {}, self._monotonic()

    def _write(self, name: str, count: Count) -> None:
        write_file(self._directory / name, render(count), mode=_MODE, disk=self._disk)

    def _new_name(self) -> str:
        return f"{new_id(self._clock(), self._entropy(RANDOM_BYTES))}{ENDING}"

    def _is_crowded(self) -> bool:
        """Whether the files are not taken, or cannot be written: then nothing but the hours is added."""
        if len(self._due) > 1:
            return True
        with self._lock:
            if self._counted.keys() <= self._begun:
                return False  # nothing to add
        return len(waiting(self._directory)) >= _WAITING


def waiting(directory: Path) -> list[str]:
    """The names of the files that wait to be taken, oldest first; none where there is no such directory."""
    try:
        names = [entry.name for entry in os.scandir(directory)]
    except FileNotFoundError:
        return []
    except OSError as error:
        raise disk_error(error, "looking for counts of log-ins") from error
    return sorted(name for name in names if name.endswith(ENDING) and is_id(name.removesuffix(ENDING)))


def read(path: Path) -> Count:
    """The counts in a file. No link is followed, only a plain file is read, and at most MAX_BYTES of it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("not a file")
        return parse(file.read(MAX_BYTES + 1))
