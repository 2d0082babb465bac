"""SHA-256 of files, in lower-case hexadecimal, and copies that are digested on the way. Raises OSError as the system does."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from gateway.storage.durable import DISK, Disk, start_writeback, write_all

_PIECE: Final = 1 << 20
_HEAD_START: Final = 16 << 20
"""So many bytes lie unwritten before the disk is told to begin. Measured on ext4, 512 MiB: copy and fsync 0.6 s, and 0.9 s
where the disk begins at the fsync."""


def file_digest(path: Path) -> str:
    """The digest of the file at `path`."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def rest_digest(descriptor: int) -> str:
    """The digest of what an open file holds from its present position on."""
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def pieces(descriptor: int, size: int = sys.maxsize) -> Iterator[bytes]:
    """What an open file holds from its present position on, at most `size` bytes."""
    while size > 0 and (piece := os.read(descriptor, min(size, _PIECE))):
        size -= len(piece)
        yield piece


def write_pieces(pieces: Iterable[bytes], target: int, disk: Disk = DISK) -> str:
    """Write the pieces to an open file, and give the digest of all of them."""
    digest = hashlib.sha256()
    unwritten = 0
    for piece in pieces:
        digest.update(piece)
        write_all(target, piece, disk)
        unwritten += len(piece)
        if unwritten >= _HEAD_START:
            start_writeback(target, disk)
            unwritten = 0
    return digest.hexdigest()


def copy(source: int, target: int, size: int, disk: Disk = DISK) -> str | None:
    """Copy a file that was just opened and give its digest; None where it holds fewer or more than `size` bytes."""
    digest = write_pieces(pieces(source, size), target, disk)
    whole = os.lseek(source, 0, os.SEEK_CUR) == size and not os.read(source, 1)
    return digest if whole else None
