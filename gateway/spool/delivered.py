"""Files that lie before the back office: finding one again by its content, and removing it where it must not stay.

Raises DiskFailed and NotPermitted for what the system reports, OriginalOther from `read_given`. The directories belong to the
back office: no link is followed, only regular files are read, at most as many bytes as the ledger gives, and only a file of
exactly the delivered bytes is removed.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import NotPermitted, OriginalOther
from gateway.storage.digest import copy, pieces, rest_digest
from gateway.storage.directory_walk import FILE, ROOT, opened
from gateway.storage.durable import DISK, Disk, disk_error


@dataclass(frozen=True)
class DeliveredFile:
    """A delivered file as the ledger knows it: where it was put, the names it may have there, its size and SHA-256."""

    flow: str
    partner: str
    names: tuple[str, ...]
    size: int
    sha256: str


def read_delivered(inbound: Path, wanted: DeliveredFile) -> tuple[str, bytes] | None:
    """The name that the file has and its bytes; None where it is not there any more."""
    with _translated("reading a delivered file"), _directory(inbound, wanted) as directory:
        return None if directory is None else _find(directory, wanted)


def copy_delivered(inbound: Path, wanted: DeliveredFile, target: Path) -> bool:
    """Copy the file to a new one, in pieces; False where it is not there any more, byte for byte, and then nothing is left."""
    with _translated("copying a delivered file"), _directory(inbound, wanted) as directory:
        for name in wanted.names if directory is not None else ():
            with _of_its_size(name, directory, wanted) as source:
                if source is None:
                    continue
                descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
                try:
                    if copy(source, descriptor, wanted.size) == wanted.sha256:
                        return True
                finally:
                    os.close(descriptor)
                target.unlink()
        return False


def remove_delivered(inbound: Path, wanted: DeliveredFile, marker: str, disk: Disk = DISK) -> bool:
    """Remove the file and the empty marker beside it, durably; False where it is not there any more."""
    with _translated("removing a delivered file"), _directory(inbound, wanted) as directory:
        found = None if directory is None else _name_of(directory, wanted)
        if directory is None or found is None:
            return False
        disk.unlink(found, dir_fd=directory)
        if _is_empty(f"{found}{marker}", directory):
            disk.unlink(f"{found}{marker}", dir_fd=directory)
        disk.fsync(directory)
        return True


def lies_there(inbound: Path, wanted: DeliveredFile) -> bool:
    """Whether the file is there still, byte for byte."""
    with _translated("looking for a delivered file"), _directory(inbound, wanted) as directory:
        return directory is not None and _name_of(directory, wanted) is not None


def read_given(path: Path, wanted: DeliveredFile) -> bytes:
    """The bytes of a file that somebody names: OriginalOther unless they are those that were delivered."""
    with _translated("reading a file"):
        content = _read(path, None, wanted)
    if content is None:
        raise OriginalOther
    return content


@contextmanager
def _translated(doing: str) -> Iterator[None]:
    try:
        yield
    except PermissionError as error:
        raise NotPermitted(f"This user may not do that: {doing}.") from error
    except OSError as error:
        raise disk_error(error, doing) from error


@contextmanager
def _directory(inbound: Path, wanted: DeliveredFile) -> Iterator[int | None]:
    """FLOW/PARTNER below spool/inbound; None where that is no directory."""
    with ExitStack() as stack:
        root = os.open(inbound, ROOT)
        stack.callback(os.close, root)
        above = stack.enter_context(opened(root, wanted.flow))
        yield None if above is None else stack.enter_context(opened(above, wanted.partner))


def _find(directory: int, wanted: DeliveredFile) -> tuple[str, bytes] | None:
    for name in wanted.names:
        if (content := _read(name, directory, wanted)) is not None:
            return name, content
    return None


def _name_of(directory: int, wanted: DeliveredFile) -> str | None:
    """The name that the file has; it may be gigabytes long, and is read in pieces."""
    for name in wanted.names:
        with _of_its_size(name, directory, wanted) as descriptor:
            if descriptor is not None and rest_digest(descriptor) == wanted.sha256:
                return name
    return None


def _read(name: str | Path, directory: int | None, wanted: DeliveredFile) -> bytes | None:
    """The bytes of the file of that name, None where it is another file or none."""
    with _of_its_size(name, directory, wanted) as descriptor:
        if descriptor is None:
            return None
        content = b"".join(pieces(descriptor, wanted.size))
    return content if hashlib.sha256(content).hexdigest() == wanted.sha256 else None


@contextmanager
def _of_its_size(name: str | Path, directory: int | None, wanted: DeliveredFile) -> Iterator[int | None]:
    """The open file of that name; None where there is none, or what is no file of that size."""
    try:
        descriptor = os.open(name, FILE, dir_fd=directory)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP, errno.ENXIO):
            yield None  # nothing, a link, or a socket
            return
        raise
    try:
        status = os.fstat(descriptor)
        yield descriptor if stat.S_ISREG(status.st_mode) and status.st_size == wanted.size else None
    finally:
        os.close(descriptor)


def _is_empty(name: str, directory: int) -> bool:
    try:
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENAMETOOLONG):
            return False  # a name of full length has no marker
        raise
    return stat.S_ISREG(status.st_mode) and status.st_size == 0
