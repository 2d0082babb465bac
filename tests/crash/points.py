"""Every operation that decides what survives a crash, counted; the process is killed before or after the nth of them, or
the system says that the nth has failed.

Counted are fsync and fdatasync of a file, syncfs, rename (all three of them), link, unlink, mkdir, rmdir, the commit of a
ledger's transaction, and the start of another process (gpg, its agent, a reader); with `is_data`, also each opening, read and
write of a file whose path it knows. `Points.install` puts the counting in
the place of the functions of this process, for good: it belongs into a forked child that ends afterwards.
"""

from __future__ import annotations

import errno
import io
import os
import signal
import sqlite3
import subprocess
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy.engine.default import DefaultDialect

from gateway.linux import file_calls
from gateway.storage.durable import DISK

_OF_OS = ("fsync", "fdatasync", "rename", "replace", "link", "unlink", "remove", "mkdir", "rmdir")
_OF_DISK = {
    "fsync": "fsync",
    "sync_file_system": "syncfs",
    "rename": "rename",
    "rename_new": "renameat2",
    "link": "link",
    "unlink": "unlink",
    "mkdir": "mkdir",
}
_OF_DATA = ("open", "read", "write")


def killed(_operation: str) -> None:
    """End this process as kill -9 does: nothing is caught, flushed or tidied."""
    os.kill(os.getpid(), signal.SIGKILL)


def failing(number: int) -> Callable[[str], None]:
    """Say that an operation failed: with the error of that number, or, for a commit, what SQLite makes of it."""

    def fail(operation: str) -> None:
        if operation != "commit":
            raise OSError(number, os.strerror(number))
        error = sqlite3.OperationalError("the disk, says the test")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL if number == errno.ENOSPC else sqlite3.SQLITE_IOERR
        raise error

    return fail


@dataclass
class Points:
    """`at` counts sides: 2n is before the nth operation, 2n + 1 after it; None never dies, and `met` lists what was met.

    `afterwards` hears of each operation that was done, before anybody dies of it; what it does itself is not counted.
    """

    at: int | None = None
    die: Callable[[str], None] = killed
    is_data: Callable[[str], bool] | None = None
    afterwards: Callable[[str], None] = lambda _name: None
    met: list[str] = field(default_factory=list)
    counting: bool = True
    hit: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def install(self) -> None:
        for name in _OF_OS:
            setattr(os, name, self._counted(name, getattr(os, name)))
        file_calls.sync_file_system = self._counted("syncfs", file_calls.sync_file_system)
        file_calls.rename_new = self._counted("renameat2", file_calls.rename_new)
        for name, said in _OF_DISK.items():
            # The record is frozen, and holds the functions themselves: whoever imported it holds this very record.
            object.__setattr__(DISK, name, self._counted(said, getattr(DISK, name)))
        if self.is_data is not None:
            for name in _OF_DATA:
                setattr(os, name, self._counted_on_files(name, getattr(os, name), self.is_data))
            io.open = self._counted_on_files("open", io.open, self.is_data)  # how paths are opened
            object.__setattr__(DISK, "write", self._counted_on_files("write", DISK.write, self.is_data))
        start: Any = subprocess.Popen.__init__
        subprocess.Popen.__init__ = self._counted("start", start)  # type: ignore[method-assign]  # that is the point
        commit: Any = DefaultDialect.do_commit
        DefaultDialect.do_commit = self._counted("commit", commit)  # type: ignore[method-assign]  # that is the point

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        if hasattr(call, "counted"):
            return call

        def operation(*arguments: Any, **named: Any) -> Any:
            number = self._next(name)
            self._reached(2 * number, name)
            result = call(*arguments, **named)
            if number >= 0:
                self.counting = False
                self.afterwards(name)
                self.counting = True
            self._reached(2 * number + 1, name)
            return result

        operation.counted = True  # type: ignore[attr-defined]  # so that nothing is counted twice
        return operation

    def _counted_on_files(
        self, name: str, call: Callable[..., Any], is_data: Callable[[str], bool]
    ) -> Callable[..., Any]:
        counted = self._counted(name, call)

        def operation(what: Any, *arguments: Any, **named: Any) -> Any:
            path = _path(named.get("dir_fd")) / _path(what)
            return (counted if is_data(str(path)) else call)(what, *arguments, **named)

        return operation

    def done(self) -> list[str]:
        """What had been done when it came to die."""
        return self.met[: ((self.at or 0) + 1) // 2]

    def _next(self, name: str) -> int:
        with self._lock:
            if not self.counting:
                return -1
            self.met.append(name)
            return len(self.met) - 1

    def _reached(self, point: int, name: str) -> None:
        if point == self.at:
            self.hit = True
            self.die(name)


def _path(what: Any) -> Path:
    """Of a file that is named, or open."""
    if isinstance(what, int):
        try:
            return Path(f"/proc/self/fd/{what}").readlink()
        except OSError:
            return Path()
    return Path() if what is None else Path(os.fsdecode(what))
