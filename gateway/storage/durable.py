"""Bytes that survive a power cut: one file at a time, or hundreds together.

Raises DiskFull where there is no room and DiskFailed for anything else the system reports. A failed fsync is never
tried again as though it could succeed: the kernel may already have dropped the pages. The files are to be thrown away.

A `Group` has two ways to commit, both waiting until data and directory entries are on the disk. Measured on ext4, for
500 files of 6 KB: fsync in turn 110 ms; on eight threads 41 ms; write-back started first, then fsync 39 ms; one syncfs
4 ms. syncfs is safe where the kernel reports every write-back error of the file system since the descriptor was
*opened* (`kernel.reports_errors`): the group opens its descriptor before its files are written, so no error can pass
unseen. Errors of other programs' files are reported too, which costs a retry and loses nothing. But syncfs also waits
for what others write (500 files beside a writer of 150 MB/s: up to 390 ms, against 73 ms), so it is used only for many
files while little is unwritten.
"""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from gateway.errors import DiskFailed, DiskFull
from gateway.linux import file_calls

_MANY: Final = 32
_UNWRITTEN_LIMIT: Final = 32 << 20
_OPEN_LIMIT: Final = 256
_THREADS: Final = 8

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


def write_all(descriptor: int, data: bytes, disk: Disk = DISK) -> None:
    """Write all of `data`; OSError as write(2)."""
    written = disk.write(descriptor, data)
    while written < len(data):
        written += disk.write(descriptor, memoryview(data)[written:])


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
        _discard(temporary, disk)
        raise disk_error(error, "writing a file") from error


def write_files(files: Mapping[Path, bytes], *, mode: int = 0o600, disk: Disk = DISK) -> None:
    """As `write_file` for many: one wait for the disk for all contents, and one for all names."""
    if not files:
        return
    temporary = {target: temporary_beside(target) for target in files}
    with Group(next(iter(files)).parent, disk) as group:
        try:
            for target, data in files.items():
                group.add_file(_open_temporary(temporary[target], data, mode, disk))
            group.commit()
            for target in files:
                disk.rename(temporary[target], target)
                group.add_directory(target.parent)
            group.commit()
        except (OSError, DiskFull, DiskFailed) as error:
            for path in temporary.values():
                _discard(path, disk)
            if isinstance(error, OSError):
                raise disk_error(error, "writing files") from error
            raise


def write_new_file(target: Path, data: bytes, *, mode: int = 0o600, disk: Disk = DISK) -> bool:
    """As `write_file`, but never overwrites: False where the name is taken, and nothing is changed."""
    temporary = temporary_beside(target)
    try:
        _write_temporary(temporary, data, mode, disk)
        try:
            move_new(temporary, target, disk)
        except FileExistsError:
            _discard(temporary, disk)
            return False
        sync_directory(target.parent, disk)
    except OSError as error:
        _discard(temporary, disk)
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


def temporary_beside(target: Path) -> Path:
    """The name under which `target` is written: short, hidden, the same at every attempt."""
    return target.with_name(f".gateway-{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:32]}.part")


class Group:
    """Files and directories that are made durable together.

    Make it before the first file is written, on the file system where they will lie; other file systems work too,
    but more slowly. Hand over descriptors and directories, then `commit`. Not for two threads at once.
    """

    def __init__(self, root: Path, disk: Disk = DISK) -> None:
        self._disk = disk
        self._files: list[int] = []
        self._directories: dict[Path, None] = {}
        self._failed = False
        try:
            self._anchor = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise disk_error(error, "opening a directory") from error
        try:
            self._device = os.fstat(self._anchor).st_dev
            self._as_one = disk.reports_errors(self._anchor)
        except OSError as error:
            os.close(self._anchor)
            raise disk_error(error, "looking at a file system") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def add_file(self, descriptor: int) -> None:
        """Take over an open descriptor of a written file; it is closed once durable."""
        self._files.append(descriptor)
        if len(self._files) >= _OPEN_LIMIT:
            self._run(self._files, {})

    def add_directory(self, directory: Path) -> None:
        """A directory whose entries have changed."""
        self._directories[directory] = None

    def commit(self) -> None:
        """Wait until everything handed over is on the disk; after a failure every further commit fails too."""
        self._run(self._files, self._directories)
        self._directories.clear()

    def close(self) -> None:
        """Let go of what was not committed."""
        _close_all(self._files)
        if self._anchor >= 0:
            os.close(self._anchor)
            self._anchor = -1

    def _run(self, files: list[int], directories: Iterable[Path]) -> None:
        if self._failed:
            raise DiskFailed("making files durable: an earlier attempt of the same group failed")
        self._failed = True
        try:
            paths = list(directories)
            if self._worth_one_sync(files, paths):
                self._disk.sync_file_system(self._anchor)
            else:
                self._sync_each(files, paths)
        except OSError as error:
            raise disk_error(error, "making files durable") from error
        finally:
            _close_all(files)
        self._failed = False

    def _worth_one_sync(self, files: list[int], directories: list[Path]) -> bool:
        return (
            self._as_one
            and len(files) + len(directories) >= _MANY
            and self._disk.unwritten_bytes() <= _UNWRITTEN_LIMIT
            and all(os.fstat(file).st_dev == self._device for file in files)
            and all(directory.stat().st_dev == self._device for directory in directories)
        )

    def _sync_each(self, files: list[int], directories: list[Path]) -> None:
        if len(files) > 1:
            for file in files:
                self._start_writeback(file)
        if len(files) < _THREADS:
            for file in files:
                self._disk.fsync(file)
        else:
            with ThreadPoolExecutor(_THREADS) as threads:
                for _ in threads.map(self._disk.fsync, files):
                    pass
        for directory in directories:
            sync_directory(directory, self._disk)

    def _start_writeback(self, file: int) -> None:
        try:
            self._disk.start_writeback(file)
        except OSError as error:
            # Only a head start for the fsync that follows: a file system without the call (FUSE, NFS) does without.
            if error.errno not in (errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP):
                raise


def _close_all(files: list[int]) -> None:
    while files:
        os.close(files.pop())


def _write_temporary(temporary: Path, data: bytes, mode: int, disk: Disk) -> None:
    descriptor = _open_temporary(temporary, data, mode, disk)
    try:
        disk.fsync(descriptor)
    finally:
        os.close(descriptor)


def _open_temporary(temporary: Path, data: bytes, mode: int, disk: Disk) -> int:
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


def _discard(path: Path, disk: Disk) -> None:
    try:
        disk.unlink(path)
    except OSError:
        return  # the error that brought us here is the one to report; a leftover is overwritten by the next attempt
