"""Markers beside delivered files, for back offices that wait for one: NAME.done appears after NAME is there for good.

Raises DiskFull and DiskFailed; after either, the same call may be made again. A marker has no content, so it is whole as
soon as it is there; one that is there already stays as it is.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway.storage.durable import DISK, Disk, disk_error
from gateway.storage.file_group import Group

_NEW: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_MODE: Final = 0o640


def mark(paths: Iterable[Path], disk: Disk = DISK) -> None:
    """Make these markers, durably."""
    wanted = list(paths)
    if not wanted:
        return
    with Group(wanted[0].parent, disk) as group:
        for path in wanted:
            try:
                with suppress(FileExistsError):
                    descriptor = os.open(path, _NEW, _MODE)
                    group.add_file(descriptor)
                    os.fchmod(descriptor, _MODE)
            except OSError as error:
                raise disk_error(error, "marking a delivered file") from error
            group.add_directory(path.parent)
        group.commit()
