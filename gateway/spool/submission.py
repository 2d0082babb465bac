"""Files that a command hands over: judged, copied beside the custody, and moved in before the transaction that records them.

`examine` raises FileUnsafe, FileNameRefused, FileEmpty, FileTooLarge, NotFound and NotPermitted for what it finds;
`SubmittedCopies` StillBeingWritten where a file changes under the reader, DiskFull and DiskFailed for the disk. Copies lie under
`vault/submitted` until their transfers are recorded, so a gateway that starts meanwhile, and clears its custody of files without
a row, never meets them. Each run locks its own directory; the next run removes what a killed one left. What was moved in and got no row goes when
the run ends, or when *inspect* starts, which waits for runs that have moved theirs in (`storage.named_first`).
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import stat
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from gateway.errors import FileEmpty, FileTooLarge, FileUnsafe, GatewayError, NotFound, NotPermitted, StillBeingWritten
from gateway.spool.custody import custody_file
from gateway.spool.names import check_name
from gateway.spool.stability import Mark, mark_of
from gateway.storage.digest import copy, pieces
from gateway.storage.durable import disk_error, fsync_directory, make_directory, write_all
from gateway.storage.file_group import Group
from gateway.storage.named_first import naming
from gateway.storage.payloads import KeptFile, Payloads
from gateway.storage.writers import Writers, writers_of

_SOURCE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_COPY: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True)
class Submission:
    """A file that may be submitted: its path and its size in bytes, and what tells that it is still the same."""

    path: Path
    size: int
    mark: Mark


@dataclass(frozen=True)
class Copied:
    """A submitted file's copy: the transfer's id, size in bytes, SHA-256."""

    transfer: str
    size: int
    sha256: str


def examine(path: Path, max_bytes: int) -> Submission:
    """Judge a file as the spool would; a link is not followed."""
    with _opened(path) as descriptor:
        status = os.fstat(descriptor)
    if not stat.S_ISREG(status.st_mode):
        raise FileUnsafe
    check_name(path.name)
    if status.st_size == 0:
        raise FileEmpty
    if status.st_size > max_bytes:
        raise FileTooLarge(f"The file has {status.st_size} bytes; its flow allows {max_bytes}.")
    return Submission(path, status.st_size, _mark(status))


def read(submission: Submission) -> bytes:
    """The bytes of a file that was examined; StillBeingWritten where it has changed since."""
    with _opened(submission.path) as source:
        content = b"".join(pieces(source, submission.size + 1))
        if len(content) != submission.size or _mark(os.fstat(source)) != submission.mark:
            raise StillBeingWritten
    return content


class SubmittedCopies:
    """Copies of submitted files on their way into `custody`. `directory` is made, and never readable by others. `recorded` says which of these
    transfers have rows that speak of their bytes: those of the others go at the end.
    """

    def __init__(
        self,
        directory: Path,
        run: str,
        custody: Path,
        payloads: Payloads,
        recorded: Callable[[Collection[str]], Collection[str]],
    ) -> None:
        _clear(directory)
        made = not directory.is_dir()
        self._copies = directory / run
        make_directory(self._copies, 0o770)
        # Root may submit; what it leaves here has to be the gateway's own.
        self._owner = (directory.parent if made else directory).stat() if os.geteuid() == 0 else None
        if self._owner is not None and made:
            os.chown(directory, self._owner.st_uid, self._owner.st_gid)
        self._lock = os.open(self._copies, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._group = Group(self._copies)
        self._custody = custody
        self._payloads = payloads
        self._recorded = recorded
        self._copied: list[Copied] = []
        self._kept = False
        self._moving = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Remove what was not recorded."""
        self._group.close()
        with self._moving, suppress(GatewayError):  # else *inspect* removes it when it starts
            if self._kept:
                known = self._recorded([copy.transfer for copy in self._copied])
                lost = [copy for copy in self._copied if copy.transfer not in known]
                self._payloads.forget_all(
                    KeptFile(custody_file(self._custody, copy.transfer), copy.sha256) for copy in lost
                )
        shutil.rmtree(self._copies, ignore_errors=True)
        os.close(self._lock)

    def copy(self, submission: Submission, transfer: str) -> Copied:
        """A copy under the transfer's id, durable once `commit` has returned."""
        target = custody_file(self._copies, transfer)
        try:
            with _opened(submission.path) as source:
                descriptor = os.open(target, _COPY, 0o640)
                try:
                    if self._owner is not None:
                        os.fchown(descriptor, self._owner.st_uid, self._owner.st_gid)
                    sha256 = _copy(source, descriptor, submission)
                except BaseException:
                    os.close(descriptor)
                    raise
        except OSError as error:
            raise disk_error(error, "copying a submitted file") from error
        return self._added(descriptor, Copied(transfer, submission.size, sha256))

    def write(self, content: bytes, transfer: str) -> tuple[Path, Copied]:
        """A file of these bytes under the transfer's id, and where it lies until `move_in`; durable as a copy is."""
        target = custody_file(self._copies, transfer)
        try:
            descriptor = os.open(target, _COPY, 0o640)
            try:
                if self._owner is not None:
                    os.fchown(descriptor, self._owner.st_uid, self._owner.st_gid)
                write_all(descriptor, content)
            except BaseException:
                os.close(descriptor)
                raise
        except OSError as error:
            raise disk_error(error, "writing a file for custody") from error
        return target, self._added(descriptor, Copied(transfer, len(content), hashlib.sha256(content).hexdigest()))

    def commit(self) -> None:
        """Wait until every copy is on the disk, and where every node of the site finds it."""
        self._group.commit()
        places = {custody_file(self._custody, copy.transfer): copy for copy in self._copied}
        self._kept = True
        self._payloads.keep(
            {path: copy.sha256 for path, copy in places.items()},
            {path: self._copies / copy.transfer for path, copy in places.items()},
        )

    def move_in(self) -> None:
        """Give the copies their places in custody, durably. Call it before the transaction that records them."""
        self._moving.enter_context(naming(self._custody))
        try:
            for copy in self._copied:
                (self._copies / copy.transfer).rename(custody_file(self._custody, copy.transfer))
        except OSError as error:
            raise disk_error(error, "moving a submitted file into custody") from error
        fsync_directory(self._custody)

    def _added(self, descriptor: int, copy: Copied) -> Copied:
        self._group.add_file(descriptor)
        self._copied.append(copy)
        return copy


@contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        descriptor = os.open(path, _SOURCE)
    except FileNotFoundError as error:
        raise NotFound("There is no such file.") from error
    except PermissionError as error:
        raise NotPermitted("This user may not read the file.") from error
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise FileUnsafe from error
        raise disk_error(error, "opening a file") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _mark(status: os.stat_result) -> Mark:
    return status.st_dev, *mark_of(status)


def _copy(source: int, target: int, submission: Submission) -> str:
    sha256 = copy(source, target, submission.size)
    if sha256 is None or writers_of(source) is Writers.SOME or _mark(os.fstat(source)) != submission.mark:
        raise StillBeingWritten
    return sha256


def _clear(directory: Path) -> None:
    """Remove the copies of runs that are gone."""
    try:
        left = sorted(directory.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise disk_error(error, "looking through submitted files") from error
    for path in left:
        with suppress(BlockingIOError, FileNotFoundError, NotADirectoryError):
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(path, ignore_errors=True)
            finally:
                os.close(descriptor)
