"""What lies in the spool's trees FLOW/PARTNER since a moment: listing it, and removing it.

Only regular files with one name count, and only by the time at which the system saw them change last (ctime), which nobody sets.
No link is followed. Raises NotPermitted, DiskFailed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from gateway.errors import NotPermitted
from gateway.storage.directory_walk import ROOT, is_plain, names, opened
from gateway.storage.durable import DISK, Disk, disk_error


class OldFile(NamedTuple):
    """A file in FLOW/PARTNER: its size in bytes, and when it changed last, in seconds since 1970."""

    flow: str
    partner: str
    name: str
    size: int
    changed: float


def listed(root: Path, until: float, inside: Sequence[str] = ()) -> Iterator[OldFile]:
    """The files below `root` that have not changed since `until`, directory by directory; those in a directory of a partner's
    that `inside` names are called `DIRECTORY/NAME`.
    """
    with _translated("looking through the spool"), _opened(root) as top:
        for flow in names(top):
            with opened(top, flow) as above:
                for partner in [] if above is None else names(above):
                    with opened(above or top, partner) as directory:
                        if directory is None:
                            continue
                        for name in names(directory):
                            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
                            if is_plain(status) and status.st_ctime <= until:
                                yield OldFile(flow, partner, name, status.st_size, status.st_ctime)
                        for below in inside:
                            with opened(directory, below) as deeper:
                                for name in [] if deeper is None else names(deeper):
                                    status = os.stat(name, dir_fd=deeper, follow_symlinks=False)
                                    if is_plain(status) and status.st_ctime <= until:
                                        yield OldFile(flow, partner, f"{below}/{name}", status.st_size, status.st_ctime)


def remove(root: Path, flow: str, partner: str, files: Iterable[OldFile], disk: Disk = DISK) -> None:
    """Remove these files of one directory, durably; one that has changed meanwhile stays."""
    with _translated("removing old files from the spool"), _opened(root) as top, opened(top, flow) as above:
        if above is None:
            return
        with opened(above, partner) as directory:
            if directory is None:
                return
            for file in files:
                try:
                    status = os.stat(file.name, dir_fd=directory, follow_symlinks=False)
                except FileNotFoundError:
                    continue
                if is_plain(status) and status.st_ctime == file.changed:
                    disk.unlink(file.name, dir_fd=directory)
            disk.fsync(directory)


@contextmanager
def _opened(root: Path) -> Iterator[int]:
    descriptor = os.open(root, ROOT)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise NotPermitted(f"This user may not do that: {doing}.") from error
    except OSError as error:
        raise disk_error(error, doing) from error
