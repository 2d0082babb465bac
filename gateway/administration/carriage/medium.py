"""The directory on a medium that somebody named: one export at a time writes into it, and what is wrong with it is said as such.

Raises UsageWrong, NotPermitted, and DiskFailed for a disk of ours.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gateway.administration.access import on_disk
from gateway.errors import UsageWrong

_OF_THE_MEDIUM: Final = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
    errno.EROFS,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.ENAMETOOLONG,
)
"""What is wrong with the place that was named, and not with a disk of ours."""


@contextmanager
def alone_in(parent: Path) -> Iterator[None]:
    """One export at a time into a directory: two of one name would remove each other's files."""
    descriptor = os.open(parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise UsageWrong(
            f"Another export writes into {parent} now: wait for its end, or name a directory in another one."
        ) from error
    else:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def reached() -> Iterator[None]:
    """Errors of the system as what is wrong with the medium, where it is that."""
    with on_disk("the medium cannot be written"):
        try:
            yield
        except OSError as error:
            if error.errno in _OF_THE_MEDIUM:
                raise UsageWrong(
                    f"The medium cannot take it: {error.strerror}. Name a new directory on another."
                ) from error
            raise
