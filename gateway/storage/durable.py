"""Bytes that survive a power cut, one file at a time; `file_group` does the same for hundreds together.

Raises DiskFull where there is no room and DiskFailed for anything else the system reports. A failed fsync is never
tried again as though it could succeed: the kernel may already have dropped the pages. The files are to be thrown away.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.errors import DiskFailed, DiskFull
from gateway.linux import file_calls

_PIECE: Final = 1 << 20
_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT})


@dataclass(frozen=True)
class Disk:
    """The operations that decide what survives a crash, as values: a crash test counts them, a fault test fails them."""

    write: Callable[..., int] = os.write
    fsync: Callable[..., None] = os.fsync
    start_writeback: Callable[[int], None] = file_calls.start_writeback
    sync_file_system: Callable[[int], None] = file_calls.sync_file_system
    reports_errors: Callable[[int], bool] = file_calls.reports_errors
    unwritten_bytes: Callable[[], int] = file_calls.unwritten_bytes
    rename: Callable[..., None] = os.rename
    rename_new: Callable[[Path, Path], None] = file_calls.rename_new
    link: Callable[..., None] = os.link
    unlink: Callable[..., None] = os.unlink
    mkdir: Callable[..., None] = os.mkdir


DISK: Final = Disk()


def disk_error(error: OSError, doing: str) -> DiskFull | DiskFailed:
    """The gateway's error for the system's; `doing` says what was attempted, and names no submitted file."""
    kind = DiskFull if error.errno in _FULL else DiskFailed
    return kind(f"{doing}: {error.strerror or type(error).__name__}")


def try_writing(path: Path, disk: Disk = DISK) -> None:
    """Write a file durably, and remove it: DiskFull and DiskFailed where nothing can be written there."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            write_all(descriptor, bytes(4096), disk)
            disk.fsync(descriptor)
        finally:
            os.close(descriptor)
            disk.unlink(path)
    except OSError as error:
        raise disk_error(error, f"trying to write in {path.parent.name}") from error


def write_all(descriptor: int, data: bytes, disk: Disk = DISK) -> None:
    """Write all of `data`; OSError as write(2)."""
    written = disk.write(descriptor, data)
    while written < len(data):
        written += disk.write(descriptor, memoryview(data)[written:])


def start_writeback(descriptor: int, disk: Disk = DISK) -> None:
    """Let the disk begin with a file's pages. Only a head start for the fsync that follows; OSError as write(2)."""
    try:
        disk.start_writeback(descriptor)
    except OSError as error:
        if error.errno not in (
            errno.ENOSYS,
            errno.EINVAL,
            errno.EOPNOTSUPP,
        ):  # a file system without the call: FUSE, NFS
            raise


def sync_directory(directory: Path, disk: Disk = DISK) -> None:
    """As `fsync_directory`, for callers that translate OSError themselves."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        disk.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_file(path: Path, disk: Disk = DISK) -> None:
    """Make a file's bytes durable; OSError as open(2) and fsync(2)."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        disk.fsync(descriptor)
    finally:
        os.close(descriptor)


def fsync_directory(directory: Path, disk: Disk = DISK) -> None:
    """Make a directory's entries durable; DiskFull or DiskFailed."""
    try:
        sync_directory(directory, disk)
    except OSError as error:
        raise disk_error(error, "making a directory durable") from error


def make_directory(directory: Path, mode: int = 0o700, disk: Disk = DISK) -> None:
    """Make a directory and those above it, durably; nothing where it exists."""
    if directory.is_dir():
        return
    make_directory(directory.parent, mode, disk)
    try:
        disk.mkdir(directory, mode)
    except FileExistsError:
        return
    except OSError as error:
        raise disk_error(error, "making a directory") from error
    fsync_directory(directory.parent, disk)


def write_file(target: Path, data: bytes, *, mode: int = 0o600, disk: Disk = DISK) -> None:
    """Put a whole file in the place of `target`, durably: after a crash there is the old content or the new.

    Only one program at a time may write the same target. A temporary file that a crash left is used again.
    """
    temporary = temporary_beside(target)
    try:
        _write_temporary(temporary, data, mode, disk)
        disk.rename(temporary, target)
        sync_directory(target.parent, disk)
    except OSError as error:
        discard(temporary, disk)
        raise disk_error(error, "writing a file") from error


def write_new_file(target: Path, data: bytes, *, mode: int = 0o600, disk: Disk = DISK) -> bool:
    """As `write_file`, but never overwrites: False where the name is taken, and nothing is changed."""
    temporary = temporary_beside(target)
    try:
        _write_temporary(temporary, data, mode, disk)
        try:
            move_new(temporary, target, disk)
        except FileExistsError:
            discard(temporary, disk)
            return False
        sync_directory(target.parent, disk)
    except OSError as error:
        discard(temporary, disk)
        raise disk_error(error, "writing a file") from error
    return True


def move_new(source: Path, target: Path, disk: Disk = DISK) -> None:
    """Rename without overwriting: FileExistsError where the name is taken, otherwise OSError as rename(2).

    Where the file system has no such rename (NFS), link and unlink: a crash between them leaves both names.
    """
    try:
        disk.rename_new(source, target)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOSYS):
            raise
        disk.link(source, target, follow_symlinks=False)
        disk.unlink(source)


def move_over(source: Path, target: Path, disk: Disk = DISK) -> None:
    """Rename, over a file of that name: OSError as rename(2). Afterwards the source is gone in any case.

    rename(2) does nothing, successfully, where both are names of one and the same file.
    """
    disk.rename(source, target)
    with suppress(FileNotFoundError):
        disk.unlink(source)


def move_own(source: Path, target: Path, disk: Disk = DISK) -> None:
    """As `move_over`, and the file is this account's alone afterwards: another account's is written anew, and keeps its first name until that is durable.

    OSError as the system says; after a crash between, the next attempt does it again.
    """
    about = os.lstat(source)
    if about.st_uid == os.geteuid():
        _close(source, about)
        move_over(source, target, disk)
        return
    name_own(source, target, disk)
    disk.unlink(source)


def name_own(source: Path, target: Path, disk: Disk = DISK) -> None:
    """Give a file a second name, over a file of that name, under which it is this account's alone: another account's is written anew, durably.
    OSError as the system says.
    """
    temporary, about = temporary_beside(target), os.lstat(source)
    if about.st_uid == os.geteuid():
        discard(temporary, disk)
        disk.link(source, temporary, follow_symlinks=False)
        _close(temporary, about)
        move_over(temporary, target, disk)
        return
    # Whoever owns it may have put a pipe there, or a link to what only this account may read.
    original = os.open(source, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        copy = open_temporary(temporary, b"", 0o600, disk)
        try:
            while piece := os.read(original, _PIECE):
                write_all(copy, piece, disk)
            disk.fsync(copy)
        finally:
            os.close(copy)
        disk.rename(temporary, target)
        sync_directory(target.parent, disk)
    except OSError:
        discard(temporary, disk)
        raise
    finally:
        os.close(original)


def _close(path: Path, about: os.stat_result) -> None:
    """Take a file of this account from the group that could read it where it lay."""
    if stat.S_ISREG(about.st_mode) and about.st_mode & 0o077:
        path.chmod(0o600)


def temporary_beside(target: Path) -> Path:
    """The name under which `target` is written: short, hidden, the same at every attempt."""
    import hashlib  # noqa: PLC0415 - not everybody who imports this module writes

    return target.with_name(f".gateway-{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:32]}.part")


def _write_temporary(temporary: Path, data: bytes, mode: int, disk: Disk) -> None:
    descriptor = open_temporary(temporary, data, mode, disk)
    try:
        disk.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_temporary(temporary: Path, data: bytes, mode: int, disk: Disk) -> int:
    """The descriptor of the written file, which is not durable yet."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, mode)
    try:
        os.fchmod(descriptor, mode)
        write_all(descriptor, data, disk)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def discard(path: Path, disk: Disk) -> None:
    """Remove a temporary file after an error, if that can be done."""
    try:
        disk.unlink(path)
    except OSError:
        return  # the error that brought us here is the one to report; a leftover is overwritten by the next attempt
