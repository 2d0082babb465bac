"""Unpacking a consignment's literal data, which `packing` describes.

`unpack` raises a subclass of ArchiveRefused, ManifestMissing where `manifest.json` does not come first, whatever
`on_manifest` raises, DiskFull and DiskFailed; after any error no file is left. Nothing in the archive names a path:
members are written under numbers of our own, and reading ends as soon as more comes than the manifest announced.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from gateway.archive import tar, zstd_frame
from gateway.archive.packing import MANIFEST, member_name
from gateway.errors import (
    ArchiveDamaged,
    ArchiveDigestMismatch,
    ArchiveMemberExtra,
    ArchiveMemberMisplaced,
    ArchiveMemberMissing,
    ArchiveMemberRepeated,
    ArchiveMemberUnexpected,
    ArchiveRefused,
    ArchiveSizeMismatch,
    ArchiveTooLarge,
    ManifestMissing,
)
from gateway.storage.digest import write_pieces
from gateway.storage.durable import DISK, Disk, disk_error
from gateway.storage.file_group import Group

_TRAILING_ZEROS: Final = 1 << 20
_EXTENSION_BYTES: Final = 64 << 10
_EXTENSIONS: Final = 2
"""Extended headers before one member: a global one and its own. A frame of kilobytes could hold gigabytes of them."""


@dataclass(frozen=True)
class UnpackLimits:
    """How much is unpacked at most: the manifest's bytes, all payloads together, and their number."""

    payload_bytes: int
    members: int = 10_000
    manifest_bytes: int = 4 << 20


class Expected(Protocol):
    """What the manifest says of one payload."""

    @property
    def size(self) -> int: ...
    @property
    def sha256(self) -> str: ...


@dataclass(frozen=True, slots=True)
class Unpacked:
    """A payload on disk, exactly as the manifest says; durable once the group that was given is committed."""

    path: Path
    size: int
    sha256: str


def unpack(
    source: Path,
    target: Path,
    on_manifest: Callable[[bytes], Sequence[Expected]],
    group: Group,
    limits: UnpackLimits,
    disk: Disk = DISK,
) -> list[Unpacked]:
    """Unpack an archive into `target/0001`, `target/0002`, ...; what an earlier attempt left there is removed first.

    `on_manifest` is called with the manifest before anything else is read; it checks it, and says what must follow.
    """
    try:
        _clear(target, disk)
        with source.open("rb") as file:
            try:
                return _unpack(_Stream(zstd_frame.content(file)), target, on_manifest, group, limits, disk)
            except BaseException:
                _clear(target, disk)
                raise
    except OSError as error:
        raise disk_error(error, "unpacking a consignment") from error


def _unpack(
    stream: _Stream,
    target: Path,
    on_manifest: Callable[[bytes], Sequence[Expected]],
    group: Group,
    limits: UnpackLimits,
    disk: Disk,
) -> list[Unpacked]:
    expected = on_manifest(_manifest(stream, limits))
    if len(expected) > limits.members or sum(item.size for item in expected) > limits.payload_bytes:
        raise ArchiveTooLarge
    count = len(expected)
    unpacked = []
    for number, item in enumerate(expected, 1):
        member = _next_member(stream)
        if member is None:
            raise ArchiveMemberMissing
        if member.name != member_name(number):
            raise _misnamed(member.name, number, count)
        unpacked.append(_payload(stream, target / f"{number:04d}", member.size, item, group, disk))
    member = _next_member(stream)
    if member is not None:
        raise _misnamed(member.name, count + 1, count)
    _insist_on_end(stream)
    group.add_directory(target)
    return unpacked


def _manifest(stream: _Stream, limits: UnpackLimits) -> bytes:
    member = _next_member(stream)
    if member is None or member.name != MANIFEST:
        raise ManifestMissing
    if member.size > limits.manifest_bytes:
        raise ArchiveTooLarge("The manifest is larger than allowed.")
    content = stream.take(member.size)
    _skip_padding(stream, member.size)
    return content


def _misnamed(name: str, number: int, count: int) -> ArchiveRefused:
    """What it means that a member of another name lies in the place of payload `number` of `count`."""
    if name == MANIFEST or name in map(member_name, range(1, number)):
        return ArchiveMemberRepeated()
    if number > count:
        return ArchiveMemberExtra()
    if name in map(member_name, range(number + 1, count + 1)):
        return ArchiveMemberMisplaced()
    return ArchiveMemberUnexpected()


def _payload(stream: _Stream, path: Path, size: int, item: Expected, group: Group, disk: Disk) -> Unpacked:
    if size != item.size:
        raise ArchiveSizeMismatch
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o660)
    try:
        sha256 = write_pieces(stream.pieces(size), descriptor, disk)
    except BaseException:
        os.close(descriptor)
        raise
    group.add_file(descriptor)
    if sha256 != item.sha256:
        raise ArchiveDigestMismatch
    _skip_padding(stream, size)
    return Unpacked(path, size, item.sha256)


def _next_member(stream: _Stream) -> tar.Member | None:
    """The next member that is no extended header, or None at the end-of-archive mark's first block."""
    for _ in range(_EXTENSIONS + 1):
        block = stream.take(tar.BLOCK)
        if not any(block):
            return None
        member = tar.parse(block)
        if not member.extension:
            return member
        if member.size > _EXTENSION_BYTES:
            raise ArchiveTooLarge("The archive holds an extended header that is larger than allowed.")
        tar.check_extension(stream.take(member.size))
        _skip_padding(stream, member.size)
    raise ArchiveTooLarge("The archive holds more extended headers in a row than are allowed.")


def _skip_padding(stream: _Stream, size: int) -> None:
    if stream.take(-size % tar.BLOCK).strip(b"\0"):
        raise ArchiveDamaged("The archive hides content between its members.")


def _insist_on_end(stream: _Stream) -> None:
    """After the first empty block comes a second, then only zeros, and then the end of the one compressed frame."""
    zeros = stream.take(tar.BLOCK)
    total = len(zeros)
    while zeros:
        if zeros.strip(b"\0"):
            raise ArchiveDamaged("Something follows after the end of the archive.")
        zeros = stream.more()
        total += len(zeros)
        if total > _TRAILING_ZEROS:
            raise ArchiveTooLarge("The archive ends in more padding than is allowed.")


def _clear(target: Path, disk: Disk) -> None:
    for entry in list(target.iterdir()):
        with suppress(FileNotFoundError):
            disk.unlink(entry)


class _Stream:
    """The tar's bytes; ArchiveDamaged where it ends too early."""

    def __init__(self, content: Iterator[bytes]) -> None:
        self._content = content
        self._piece = b""
        self._at = 0

    def take(self, size: int) -> bytes:
        """Exactly `size` bytes, small enough to hold."""
        end = self._at + size
        if end <= len(self._piece):
            data = self._piece[self._at : end]
            self._at = end
            return data
        return b"".join(self.pieces(size))

    def pieces(self, size: int) -> Iterator[bytes]:
        """Exactly `size` bytes, as they come."""
        while size:
            if self._at == len(self._piece):
                self._piece, self._at = next(self._content, b""), 0
                if not self._piece:
                    raise ArchiveDamaged("The archive is cut short.")
            piece = self._piece[self._at : self._at + size]
            self._at += len(piece)
            size -= len(piece)
            yield piece

    def more(self) -> bytes:
        """Whatever comes next; empty at the end."""
        piece, self._piece, self._at = self._piece[self._at :], b"", 0
        return piece or next(self._content, b"")
