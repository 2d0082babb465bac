"""Reading exactly one Zstandard frame, with bounded memory whatever it holds (RFC 8878, section 3.1.1).

Raises ArchiveDamaged for anything that is not one whole frame with nothing after it, and ArchiveTooLarge for a frame
that wants a larger window than `WINDOW`. The library would read across frames, end quietly on a truncated one, and turn
a kilobyte of input into many megabytes at once; so the block headers are read here, and the library gets one block,
which is at most 128 KiB of content, at a time.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import zstandard

from gateway.errors import ArchiveDamaged, ArchiveTooLarge
from gateway.storage.byte_reader import ByteReader

WINDOW: Final = 8 << 20
"""What `zstd` without `--ultra` or `--long` needs at most."""

_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_BLOCK: Final = 128 << 10
_RAW, _RLE, _COMPRESSED = 0, 1, 2
_EMPTY_BLOCKS: Final = 1024


def content(source: ByteReader) -> Iterator[bytes]:
    """The content of the one frame that `source` holds, in pieces of at most 128 KiB."""
    header, checksum = _frame_header(source)
    decompressor = zstandard.ZstdDecompressor(max_window_size=WINDOW).decompressobj(read_across_frames=False)
    pending = header
    empty = 0
    last = False
    try:
        while not last:
            block_header, last, size = _block_header(source)
            piece = decompressor.decompress(pending + block_header + _exactly(source, size))
            pending = b""
            if piece:
                yield piece
                continue
            empty += 1
            if empty > _EMPTY_BLOCKS:
                raise ArchiveDamaged("The archive's compression is made of empty blocks.")
        if checksum:
            piece = decompressor.decompress(_exactly(source, 4))
            if piece:
                yield piece
    except zstandard.ZstdError as error:
        raise ArchiveDamaged("The archive cannot be decompressed.") from error
    if not decompressor.eof:
        raise ArchiveDamaged("The archive's compression does not end where it says.")
    if source.read(1):
        raise ArchiveDamaged("Something follows after the compressed archive.")


def _frame_header(source: ByteReader) -> tuple[bytes, bool]:
    """The frame header's bytes, and whether a checksum follows the last block."""
    start = _exactly(source, 5)
    if start[:4] != _MAGIC:
        raise ArchiveDamaged("The content is not compressed with Zstandard.")
    descriptor = start[4]
    if descriptor & 0b0000_1011:
        raise ArchiveDamaged("The archive's compression wants a dictionary, or is of an unknown kind.")
    single_segment = bool(descriptor & 0b0010_0000)
    size_bytes = (1 if single_segment else 0, 2, 4, 8)[descriptor >> 6]
    rest = _exactly(source, size_bytes if single_segment else 1 + size_bytes)
    if single_segment:
        window = int.from_bytes(rest, "little") + (256 if size_bytes == 2 else 0)
    else:
        base = 1 << (10 + (rest[0] >> 3))
        window = base + (base >> 3) * (rest[0] & 7)
    if window > WINDOW:
        raise ArchiveTooLarge("The archive's compression wants more memory than is allowed (a window above 8 MiB).")
    return start + rest, bool(descriptor & 0b0000_0100)


def _block_header(source: ByteReader) -> tuple[bytes, bool, int]:
    """The three bytes, whether it is the last block, and how many bytes the block takes in the source."""
    header = _exactly(source, 3)
    value = int.from_bytes(header, "little")
    kind, size = value >> 1 & 3, value >> 3
    if kind not in (_RAW, _RLE, _COMPRESSED) or size > _BLOCK:
        raise ArchiveDamaged("The archive's compression is damaged.")
    return header, bool(value & 1), 1 if kind == _RLE else size


def _exactly(source: ByteReader, size: int) -> bytes:
    data = source.read(size)
    while len(data) < size:
        more = source.read(size - len(data))
        if not more:
            raise ArchiveDamaged("The compressed archive is cut short.")
        data += more
    return data
