"""Steps down a tree that others write to: each relative to the directory opened before it, no link followed.

Raises OSError as the system does. Judge the open file again (`is_plain`) after judging it by its name.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
ROOT: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
"""A directory of the site's own, right below its spool: where the site has several nodes it is a link to what they share."""
FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
"""For reading what may be anything: a pipe does not make us wait, a terminal does not become ours."""


def names(directory: int) -> list[str]:
    """What lies in an open directory, sorted."""
    return sorted(os.listdir(directory))


@contextmanager
def opened(parent: int, name: str) -> Iterator[int | None]:
    """The directory of that name, or None where it is anything else."""
    try:
        descriptor = os.open(name, DIRECTORY, dir_fd=parent)
    except OSError as error:
        if error.errno not in (errno.ENOTDIR, errno.ELOOP, errno.ENOENT, errno.ENXIO):
            raise
        yield None
        return
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def open_partner_directory(root: int, flow: str, partner: str) -> int:
    """The directory FLOW/PARTNER below an open one; the caller closes it."""
    above = os.open(flow, DIRECTORY, dir_fd=root)
    try:
        return os.open(partner, DIRECTORY, dir_fd=above)
    finally:
        os.close(above)


@contextmanager
def partner_directory(root: int, flow: str, partner: str) -> Iterator[int]:
    """The directory FLOW/PARTNER below an open one, while the block runs."""
    descriptor = open_partner_directory(root, flow, partner)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def is_plain(status: os.stat_result) -> bool:
    """Whether it is a regular file with one name."""
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1
