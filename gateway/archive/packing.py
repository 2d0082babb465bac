"""Packing a consignment's literal data: a Zstandard-compressed tar of `manifest.json`, `payload/0001`, `payload/0002`, ...

`ArchiveWriter.read` raises CustodyLost where a file is not what was taken into custody, DiskFailed where it cannot be read.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path
from typing import Final, Protocol

import zstandard

from gateway.archive import tar
from gateway.errors import (
    CustodyLost,
)
from gateway.storage.durable import disk_error

MANIFEST: Final = "manifest.json"
LEVEL: Final = 3
_PIECE: Final = 128 << 10
_LARGE: Final = 16 << 20
"""Bytes of payload from which on a thread compresses while the next piece is read and digested: 512 MiB of an extract take
0.33 s, and 0.60 s without. A thread for a small archive costs more than it saves.
"""


def member_name(number: int) -> str:
    """The name of a payload, counted from 1 in manifest order."""
    return f"payload/{number:04d}"


class Packable(Protocol):
    """A file in custody: where it lies, its size in bytes, its SHA-256 in lower-case hexadecimal."""

    @property
    def path(self) -> Path: ...
    @property
    def size(self) -> int: ...
    @property
    def sha256(self) -> str: ...


class ArchiveWriter:
    """The archive as a stream to read from, made as it is read, in bounded memory.

    `mtime` (whole seconds since 1970) is given to every member, so that the same call gives the same bytes.
    """

    def __init__(self, manifest: bytes, files: Sequence[Packable], mtime: int, level: int = LEVEL) -> None:
        threads = 1 if sum(file.size for file in files) >= _LARGE else 0
        self._stream = _compressed(_tar_pieces(manifest, files, mtime), level, threads)
        self._ready = b""

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes, all that is left where it is negative; empty at the end."""
        if size < 0:
            data, self._ready = b"".join((self._ready, *self._stream)), b""
            return data
        if not self._ready:
            self._ready = next(self._stream, b"")
        data, self._ready = self._ready[:size], self._ready[size:]
        return data

    def close(self) -> None:
        """Let go of the file being read, where the stream is not read to its end."""
        self._stream.close()


def _tar_pieces(manifest: bytes, files: Sequence[Packable], mtime: int) -> Iterator[bytes]:
    yield tar.header(MANIFEST, len(manifest), mtime) + manifest + tar.padding(len(manifest))
    for number, file in enumerate(files, 1):
        yield tar.header(member_name(number), file.size, mtime)
        yield from _verified(file)
        yield tar.padding(file.size)
    yield tar.END


def _verified(file: Packable) -> Iterator[bytes]:
    """A file's content, compared with what was taken into custody once all of it is read."""
    digest = hashlib.sha256()
    left = file.size
    try:
        source = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            asked = got = -1
            while (
                left >= 0 and got == asked
            ):  # fewer is the end of the file: one byte more than it should have is asked for
                asked = min(left + 1, _PIECE)
                piece = os.read(source, asked)
                got = len(piece)
                left -= got
                if piece and left >= 0:
                    digest.update(piece)
                    yield piece
        finally:
            os.close(source)
    except FileNotFoundError as error:
        raise CustodyLost from error
    except OSError as error:
        raise disk_error(error, "reading a file in custody") from error
    if left != 0 or digest.hexdigest() != file.sha256:
        raise CustodyLost


def _compressed(pieces: Iterator[bytes], level: int, threads: int) -> Generator[bytes, None, None]:
    """One Zstandard frame without content size, since that is not known before."""
    compressor = zstandard.ZstdCompressor(level=level, write_content_size=False, threads=threads).compressobj()
    gathered: list[bytes] = []
    size = 0
    for piece in pieces:
        gathered.append(piece)
        size += len(piece)
        if size >= _PIECE:
            compressed = compressor.compress(b"".join(gathered))
            gathered.clear()
            size = 0
            if compressed:
                yield compressed
    yield compressor.compress(b"".join(gathered)) + compressor.flush()
