"""Objects as files of a directory that every node mounts: a POSIX file system that is shared, or a disk of this machine.

An object is written under a name of its own in `.incoming`, made durable, and linked to its key: link(2) never overwrites, and there is no moment
at which a key shows a part. What a crash left in `.incoming` is removed after a day, by the clock of the store. An object may be read by the
accounts of the directory's group where roles have accounts of their own.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

from gateway.errors import DiskFailed, DiskFull, StoreFileLost, StoreFull, StoreUnprepared, StoreUnreachable
from gateway.storage.durable import DISK, Disk, discard, move_new, sync_directory, write_all
from gateway.storage.file_group import Group
from gateway.storage.objects.contract import MARK, Fill, Source
from gateway.storage.ownership import give_to_owner_of

_INCOMING: Final = ".incoming"
_STALE_SECONDS: Final = 86400.0
_READ: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
"""A pipe that nobody writes to would keep whoever opens it for ever."""
_NO_FILE: Final = (errno.ELOOP, errno.ENXIO)
"""What opening a link, a socket or a device without its driver ends in."""


class DirectoryStore:
    """The store in a directory, which must be there. `shared` has files and directories be those of the directory's group too.

    `token` gives names that no other process draws.
    """

    def __init__(self, root: Path, token: str, *, shared: bool = False, disk: Disk = DISK) -> None:
        self._root, self._token, self._disk = root, token, disk
        self._file_mode, self._directory_mode = (0o640, 0o2770) if shared else (0o600, 0o700)
        self._lock, self._drawn, self._cleared = threading.Lock(), 0, False

    def place(self, key: str) -> str:
        return str(self._path(key).relative_to(self._root))

    def put_new(self, objects: Mapping[str, Fill]) -> None:
        written: dict[Path, Path] = {}
        try:
            self._require_mark(is_made=MARK in objects)
            incoming = self._root / _INCOMING
            self._make(incoming)
            self._clear(incoming)
            with Group(incoming, self._disk) as group:
                for key, fill in objects.items():
                    target = self._path(key)
                    if not self._is_there(key):
                        written[target] = temporary = self._draw(incoming)
                        group.add_file(self._write(temporary, fill))
                group.commit()
                for target, temporary in written.items():
                    self._make(target.parent)
                    with suppress(FileExistsError):
                        move_new(temporary, target, self._disk)
                # Also those of another node, which may not have got as far as this.
                for key in objects:
                    group.add_directory(self._path(key).parent)
                group.commit()
        except _Elsewhere as passed:
            raise passed.error from passed.error.__cause__
        except (OSError, DiskFull, DiskFailed) as error:
            raise _away(error) from error
        finally:
            for temporary in written.values():
                discard(temporary, self._disk)

    @contextmanager
    def open(self, key: str) -> Iterator[Source | None]:
        try:
            descriptor = os.open(self._path(key), _READ)
        except FileNotFoundError:
            self._require_mark()
            yield None
            return
        except OSError as error:
            if error.errno in _NO_FILE:
                raise self._no_file(key) from error
            raise _away(error) from error
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise self._no_file(key)
        with os.fdopen(descriptor, "rb") as file:
            yield _Reader(file)

    def remove(self, keys: Iterable[str]) -> None:
        self._require_mark()
        touched: set[Path] = set()
        try:
            for key in keys:
                path = self._path(key)
                with suppress(FileNotFoundError, IsADirectoryError):
                    self._disk.unlink(path)
                    touched.add(path.parent)
            for directory in touched:
                sync_directory(directory, self._disk)
        except OSError as error:
            raise _away(error) from error

    def written(self, key: str) -> float | None:
        try:
            return self._path(key).stat(follow_symlinks=False).st_mtime
        except FileNotFoundError:
            self._require_mark()
            return None
        except OSError as error:
            raise _away(error) from error

    def keys(self, prefix: str) -> Iterator[str]:
        self._require_mark()
        root = self._root / prefix
        try:
            yield from self._below(root)
            if prefix and not root.is_dir():
                yield from (key for key in self._below(root.parent, deep=False) if key.rpartition("/")[0] == prefix)
        except OSError as error:
            raise _away(error) from error

    def _below(self, directory: Path, *, deep: bool = True) -> Iterator[str]:
        try:
            entries = [each for each in os.scandir(directory) if not each.name.startswith(".")]
        except FileNotFoundError:
            return
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if deep:
                    yield from self._below(Path(entry.path))
            elif entry.is_file(follow_symlinks=False):
                path, _, last = str(Path(entry.path).relative_to(self._root)).rpartition(".")
                yield f"{path}/{last}" if path else last

    def _path(self, key: str) -> Path:
        """`vault/custody/ID/TOKEN` is the file `vault/custody/ID.TOKEN`: no directory for each object."""
        path, _, last = key.rpartition("/")
        return self._root / (f"{path}.{last}" if path else last)

    def _is_there(self, key: str) -> bool:
        try:
            mode = self._path(key).lstat().st_mode
        except FileNotFoundError:
            return False
        if not stat.S_ISREG(mode):
            raise self._no_file(key)
        return True

    def _no_file(self, key: str) -> StoreFileLost:
        return StoreFileLost(f"the store of [payloads] has something else than a file at {self.place(key)}")

    def _require_mark(self, *, is_made: bool = False) -> None:
        """StoreUnreachable where the directory is not mounted; `is_made` where its mark is about to be written."""
        try:
            found = stat.S_ISDIR(self._root.stat().st_mode) and (is_made or (self._root / MARK).exists())
        except OSError as error:
            raise _away(error) from error
        if not found:
            raise StoreUnprepared(
                f"{self._root} has no {MARK}: the store is not mounted there, or was not prepared yet"
            )

    def _make(self, directory: Path) -> None:
        """Make a directory of the store and those above it, durably; its group's too where accounts share it, whatever the umask."""
        if directory.is_dir():
            return
        self._make(directory.parent)
        with suppress(FileExistsError):
            self._disk.mkdir(directory, self._directory_mode & 0o777)
            give_to_owner_of(directory.parent, directory)
            directory.chmod(self._directory_mode)
            sync_directory(directory.parent, self._disk)

    def _draw(self, incoming: Path) -> Path:
        with self._lock:
            self._drawn += 1
            return incoming / f"{self._token}-{self._drawn}"

    def _write(self, temporary: Path, fill: Fill) -> int:
        """The descriptor of a written file, which is not durable yet."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, self._file_mode)
        try:
            give_to_owner_of(temporary.parent, descriptor)
            fill(_Writer(descriptor, self._disk))
        except (DiskFull, DiskFailed) as error:
            os.close(descriptor)
            raise _Elsewhere(error) from error
        except BaseException:
            os.close(descriptor)
            raise
        return descriptor

    def _clear(self, incoming: Path) -> None:
        """Remove what crashes left, once in the life of a process."""
        with self._lock:
            if self._cleared:
                return
            self._cleared = True
        with os.scandir(incoming) as entries:
            ages = {Path(entry.path): entry.stat(follow_symlinks=False).st_mtime for entry in entries}
        if not ages:
            return
        now = self._draw(incoming)
        os.close(os.open(now, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, self._file_mode))
        try:
            latest = now.stat().st_mtime
        finally:
            discard(now, self._disk)
        for path, written in ages.items():
            if latest - written > _STALE_SECONDS:
                discard(path, self._disk)


class _Elsewhere(Exception):
    """An error of a disk that is not the store's: of the one that an object is read from."""

    def __init__(self, error: DiskFull | DiskFailed) -> None:
        super().__init__(str(error))
        self.error = error


class _Reader:
    """An object's file, whose errors are the store's."""

    def __init__(self, file: Source) -> None:
        self._file = file

    def read(self, size: int = -1, /) -> bytes:
        try:
            return self._file.read(size)
        except OSError as error:
            raise _away(error) from error


class _Writer:
    """A file of the store that is being written."""

    def __init__(self, descriptor: int, disk: Disk) -> None:
        self._descriptor, self._disk = descriptor, disk

    def write(self, data: bytes, /) -> int:
        try:
            write_all(self._descriptor, data, self._disk)
            return len(data)
        except OSError as error:
            raise _away(error) from error

    def flush(self) -> None:
        return


def _away(error: OSError | DiskFull | DiskFailed) -> StoreUnreachable | StoreFull:
    """The gateway's error for what went wrong at the store's own disk."""
    if isinstance(error, StoreFull):
        return error
    if isinstance(error, DiskFull) or getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return StoreFull("the directory of [payloads] url has no room")
    said = error.strerror if isinstance(error, OSError) else str(error)
    return StoreUnreachable(f"the directory of [payloads] url: {said}")
