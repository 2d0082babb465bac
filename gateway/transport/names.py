"""Names and files of the transport: what may be a name at a partner, and how a file of ours begins and becomes durable.

Raises ValueError for a name that the caller should not have passed, OSError for the disk.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import BinaryIO, Final

from gateway.domain.identity import is_id
from gateway.errors import DiskFailed, DiskFull, GatewayError

PART: Final = ".part"
"""What a file's name ends in until it is complete."""

_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def is_sealed_name(name: str) -> bool:
    """Whether `name` is `ID.pgp` or `ID.receipt.pgp`: the only names that are ever taken from a partner."""
    stem = name.removesuffix(".pgp")
    return stem != name and is_id(stem.removesuffix(".receipt"))


def sealed_name(name: str) -> str:
    """`name` itself, when it is a sealed file's."""
    if not is_sealed_name(name):
        raise ValueError("only sealed files are fetched")
    return name


def plain_name(name: str) -> str:
    """`name` itself, when it names a file inside a directory."""
    if not name or "/" in name or "\0" in name or name.startswith("."):
        raise ValueError("a parcel's name is a plain file name")
    return name


def new_file(path: Path) -> BinaryIO:
    """An empty file of mode 0600 at `path`, unbuffered; what an earlier attempt left there is removed first."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    return os.fdopen(descriptor, "wb", buffering=0)


def own_file_fault(error: OSError) -> GatewayError:
    """The gateway's error for what the system said about a file of ours: DiskFull or DiskFailed, by the number alone."""
    if error.errno in _FULL:
        return DiskFull()
    return DiskFailed(f"a file of this gateway: {os.strerror(error.errno or 0)}")
