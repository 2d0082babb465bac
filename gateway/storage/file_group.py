"""Hundreds of files that are made durable together.

Raises DiskFull and DiskFailed, as `durable` does.

A `Group` has two ways to commit, both waiting until data and directory entries are on the disk. Measured on ext4, for
500 files of 6 KB: fsync in turn 110 ms; on eight threads 41 ms; write-back started first, then fsync 39 ms; one syncfs
4 ms. syncfs is safe where the kernel reports every write-back error of the file system since the descriptor was
*opened* (`reports_errors`): the group opens its descriptor before its files are written, so no error can pass
unseen. Errors of other programs' files are reported too, which costs a retry and loses nothing. But syncfs also waits
for what others write (500 files beside a writer of 150 MB/s: up to 390 ms, against 73 ms), so it is used only for many
files while little is unwritten.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final, Self

from gateway.errors import DiskFailed, DiskFull
from gateway.storage.durable import (
    DISK,
    Disk,
    discard,
    disk_error,
    open_temporary,
    start_writeback,
    sync_directory,
    temporary_beside,
)

_MANY: Final = 32
_UNWRITTEN_LIMIT: Final = 32 << 20
_OPEN_LIMIT: Final = 256
_THREADS: Final = 8


def write_files(files: Mapping[Path, bytes], *, mode: int = 0o600, disk: Disk = DISK) -> None:
    """As `durable.write_file` for many: one wait for the disk for all contents, and one for all names."""
    if not files:
        return
    temporary = {target: temporary_beside(target) for target in files}
    with Group(next(iter(files)).parent, disk) as group:
        try:
            for target, data in files.items():
                group.add_file(open_temporary(temporary[target], data, mode, disk))
            group.commit()
            for target in files:
                disk.rename(temporary[target], target)
                group.add_directory(target.parent)
            group.commit()
        except (OSError, DiskFull, DiskFailed) as error:
            for path in temporary.values():
                discard(path, disk)
            if isinstance(error, OSError):
                raise disk_error(error, "writing files") from error
            raise


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

    def __exit__(self, *_: object) -> None:
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
                start_writeback(file, self._disk)
        if len(files) < _THREADS:
            self._fsync_all(files)
        else:
            from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415 - slow to import, and rarely used

            with ThreadPoolExecutor(_THREADS) as threads:
                for _ in threads.map(self._fsync_all, [files[first::_THREADS] for first in range(_THREADS)]):
                    pass
        for directory in directories:
            sync_directory(directory, self._disk)

    def _fsync_all(self, files: Iterable[int]) -> None:
        for file in files:
            self._disk.fsync(file)


def _close_all(files: list[int]) -> None:
    while files:
        os.close(files.pop())
