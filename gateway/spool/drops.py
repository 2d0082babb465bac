"""What is found in the spool, as records: rules for dropped files, finished files, what cannot be taken, copies in custody."""

from __future__ import annotations

import os
import stat
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import FileEmpty, FileNameRefused, FileTooLarge, FileUnsafe, GatewayError
from gateway.spool.names import check_name
from gateway.spool.stability import Readiness


@dataclass(frozen=True)
class Rule:
    """What a flow asks of a dropped file: seconds of quiet, bytes at most, and the partners it may go to."""

    settle_seconds: float
    max_bytes: int
    partners: AbstractSet[str]


@dataclass(frozen=True, slots=True)
class Drop:
    """A finished file in the spool. `name` may be used as a path component; sizes in bytes, times in ns since 1970."""

    flow: str
    partner: str
    name: str
    size: int
    mtime_ns: int
    ctime_ns: int
    device: int
    inode: int
    readiness: Readiness
    marked: bool

    @property
    def fingerprint(self) -> str:
        """Tells, with the digest, whether a file still in the spool after a crash is the one taken before it.

        The device is not in it: after a restart of the machine the same disk may have another number.
        """
        return fingerprint_of(self.inode, self.size, self.mtime_ns)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Something in the spool that cannot be taken. Names are as found, and may hold anything: see `names.safe_name`.

    `partner`, or both `flow` and `partner`, are empty where it lies above the partners' directories. The error is one
    that is returned to the operator, or DiskFailed for a directory that cannot be read, which stays.
    """

    flow: str
    partner: str
    name: str
    error: GatewayError


@dataclass(frozen=True, slots=True)
class Taken:
    """A copy in custody, durable once the group that was given is committed."""

    path: Path
    size: int
    sha256: str


def fingerprint_of(inode: int, size: int, mtime_ns: int) -> str:
    """What `Drop.fingerprint` and `AnswerFile.fingerprint` say of a file; a change of its times alone makes no other file."""
    return f"{inode}:{size}:{mtime_ns}"


def drop_fault(name: str, status: os.stat_result, max_bytes: int) -> GatewayError | None:
    """Why a file of that name and status cannot be taken; None where it can."""
    if not stat.S_ISREG(status.st_mode):
        return FileUnsafe("It is a folder.") if stat.S_ISDIR(status.st_mode) else FileUnsafe()
    if status.st_nlink != 1:
        return FileUnsafe("The file has a second name somewhere (a hard link).")
    try:
        check_name(name)
    except FileNameRefused as error:
        return error
    if status.st_size == 0:
        return FileEmpty()
    if status.st_size > max_bytes:
        return FileTooLarge(f"The file has {status.st_size} bytes; its flow allows {max_bytes}.")
    return None
