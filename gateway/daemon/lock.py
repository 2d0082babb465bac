"""One process a role: an exclusive lock that the kernel releases when its holder ends, however it ends."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from gateway.errors import DiskFailed, NotPermitted, SiteBusy

_LOOK_EVERY: Final = 0.05
_PROBE: Final = 0.5
"""Seconds for which a process that only asks who holds a lock may be taken for its holder."""


@contextmanager
def held(run: Path, name: str, wait_seconds: float = _PROBE) -> Iterator[None]:
    """Hold `run/NAME.lock`, with our process id in it, while the block runs. SiteBusy where another process still holds
    it after `wait_seconds`, NotPermitted where this user may not make it.

    Root may hold a lock of a site that is another account's (`gateway backup`, by its timer): what root makes there is given to whom
    the directory belongs to, and a name that leads elsewhere is not followed, since that account chooses it.
    """
    path = run / f"{name}.lock"
    try:
        run.mkdir(mode=0o770, parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, mode_in(run))
    except PermissionError as error:
        raise NotPermitted(f"You may not make {path}.") from error
    except OSError as error:
        raise DiskFailed(f"cannot make {path}: {error.strerror}") from error
    try:
        _give(descriptor, path)
        deadline = time.monotonic() + wait_seconds
        while not _locked(descriptor):
            if time.monotonic() >= deadline:
                raise SiteBusy(f"{name} already runs here, as process {_holder(descriptor)}")
            time.sleep(_LOOK_EVERY)
        os.ftruncate(descriptor, 0)
        os.write(descriptor, str(os.getpid()).encode())
        yield
    finally:
        os.close(descriptor)


def mode_in(run: Path) -> int:
    """The mode of a lock or a pipe there: the group's as well where the directory is."""
    return 0o660 if run.stat().st_mode & 0o070 else 0o600


def holder(run: Path, name: str) -> int | None:
    """The process that holds the lock now, None where nobody does."""
    try:
        descriptor = os.open(run / f"{name}.lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two processes that ask do not see each other
    except BlockingIOError:
        return _holder(descriptor)
    finally:
        os.close(descriptor)
    return None


def _give(descriptor: int, path: Path) -> None:
    """What root has made belongs to whom its directory belongs to. DiskFailed for what nobody has made as a lock."""
    about = os.fstat(descriptor)
    if not stat.S_ISREG(about.st_mode) or about.st_nlink != 1:
        raise DiskFailed(f"{path} is no lock: it has another name, or is no file")
    if about.st_uid == os.geteuid() == 0:
        owner = path.parent.stat()
        with suppress(PermissionError):  # without CAP_CHOWN
            os.fchown(descriptor, owner.st_uid, owner.st_gid)


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(descriptor: int) -> int | None:
    text = os.pread(descriptor, 20, 0)
    return int(text) if text.isdigit() else None
