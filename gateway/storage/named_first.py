"""Names that files get before the rows that speak of them, in a directory where somebody else removes names of which no row speaks.

Whoever gives such names holds their directory, beside others who do, until the transaction of the rows has ended; whoever removes names without
rows has it alone meanwhile. So what he finds without a row is what a crash left, and stays so. The hold is flock(2) of the directory: it needs no
clock and no file, and ends with the process that has it. It is of one machine, as the names are.

Raises LedgerBusy where others do not let go, DiskFailed where there is no such directory.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gateway.errors import LedgerBusy
from gateway.storage.durable import disk_error

_BUSY_SECONDS: Final = 30.0
"""As long as a writer waits for the ledger."""
_LOOK_EVERY: Final = 0.01


@contextmanager
def naming(directory: Path) -> Iterator[None]:
    """Give names in the block, and have their transaction end in it."""
    with _held(directory, fcntl.LOCK_SH, None):
        yield


@contextmanager
def nobody_naming(directory: Path, wait_seconds: float | None = None) -> Iterator[None]:
    """Ask in the block which names have rows, and remove the others."""
    with _held(directory, fcntl.LOCK_EX, wait_seconds):
        yield


@contextmanager
def _held(directory: Path, how: int, wait_seconds: float | None) -> Iterator[None]:
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        raise disk_error(error, "opening a directory") from error
    try:
        deadline = time.monotonic() + (_BUSY_SECONDS if wait_seconds is None else wait_seconds)
        while not _locked(descriptor, how):
            if time.monotonic() >= deadline:
                raise LedgerBusy("another process does not end what it has begun with files and their rows")
            time.sleep(_LOOK_EVERY)
        yield
    finally:
        fcntl.flock(descriptor, fcntl.LOCK_UN)  # a process that was forked meanwhile has it open as well
        os.close(descriptor)


def _locked(descriptor: int, how: int) -> bool:
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
