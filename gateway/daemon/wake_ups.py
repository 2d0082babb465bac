"""Wake-ups between roles of one machine: each role has a named pipe, and any other process wakes it by writing a byte.

A lost wake-up costs a rescan interval and nothing else, so `wake` never blocks and never fails. A socket's path has a
limit on its length; a pipe's has none.
"""

from __future__ import annotations

import os
import select
from contextlib import suppress
from pathlib import Path
from typing import Self

from gateway.daemon.lock import mode_in
from gateway.errors import DiskFailed


def _path(run: Path, role: str) -> Path:
    return run / f"{role}.bell"


def wake(run: Path, role: str) -> None:
    """Wake a role, if it runs."""
    with suppress(OSError):
        descriptor = os.open(_path(run, role), os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            os.write(descriptor, b"!")
        finally:
            os.close(descriptor)


class WakeUp:
    """One role's pipe, for the process that waits at it. `wake` may be called from any thread or signal handler."""

    def __init__(self, run: Path, role: str) -> None:
        path = _path(run, role)
        try:
            run.mkdir(mode=0o770, parents=True, exist_ok=True)
            with suppress(FileExistsError):
                os.mkfifo(path, mode_in(run))
            # Open for writing too, so that the pipe never reads as ended between two writers.
            self._descriptor = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise DiskFailed(f"cannot make the wake-up pipe of {role}: {error.strerror}") from error
        self._rung = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def wake(self) -> None:
        """One byte, until somebody has waited: hundreds of files may come at once."""
        if not self._rung:
            self._rung = True
            with suppress(BlockingIOError):
                os.write(self._descriptor, b"!")

    def wait(self, seconds: float) -> bool:
        """Wait for a wake-up, at most so many seconds; whether there was one."""
        ready, _, _ = select.select([self._descriptor], [], [], max(seconds, 0.0))
        if ready:
            with suppress(BlockingIOError):
                os.read(self._descriptor, 65536)
        # In this order: who comes before it is seen by whoever has waited and looks now, who comes after it rings again. After
        # a wait for nothing too: the pipe is the group's, and somebody else may have read the byte.
        self._rung = False
        return bool(ready)
