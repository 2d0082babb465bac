"""How much a stream of a PDF unpacks to: counted as it comes, and never held (ISO 32000-1 section 7.4).

A file of kilobytes may become gigabytes for whoever opens it later. Raises TooHeavy and Damaged alone: what is damaged further on
counts for no less than can be read of it. Pictures' own compressions are not unpacked, since the number of their points is
bounded elsewhere.

No compression makes more of a byte than its bound says. Streams that could not be too heavy even so are not unpacked, which
would take most of the time of a reading; the verdict on each file is the same.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Final

import pikepdf

_PIECE: Final = 1 << 16
_SPACES: Final = b"\x00\t\n\f\r "
_BASE85: Final = re.compile(rb"(?:z|[!-u]{5})*+[!-u]{0,4}")
_HEXADECIMAL: Final = re.compile(rb"[0-9A-Fa-f]*")
_HEAD: Final = 2
_DICTIONARY: Final = 1 << 5
_CLEAR, _END, _FIRST, _WIDEST = 256, 257, 258, 12


class TooHeavy(ValueError):
    """More than the limit, or packed more than once, for which no honest maker has a reason."""


class Damaged(ValueError):
    """Data whose first two bytes are no head of a zlib stream: some readers stop there, and others unpack what follows."""


class Scales:
    """All the streams of a document together, of which `most` bytes are allowed."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._bound = 0
        self._waiting: list[tuple[Callable[[], bytes], Sequence[str]]] = []

    def add(self, packed: Callable[[], bytes], filters: Sequence[str]) -> None:
        """One more stream, and how to read it; TooHeavy where it is the one with which it becomes too much."""
        self._waiting.append((packed, filters))
        content = packed()
        self._bound += bound(content, filters)
        if self._bound > self._most:
            for read, names in self._waiting:
                self._most -= unpacked_size(read(), names, self._most)
            self._waiting.clear()
            self._bound = 0
        if filters and _PACKERS.get(filters[0]) is _deflated and not _is_zlib(content):
            raise Damaged


def bound(packed: bytes, filters: Sequence[str]) -> int:
    """The bytes that a stream with these filters can unpack to at most; TooHeavy where it is packed more than once."""
    if sum(name in _PACKERS for name in filters) > 1:
        raise TooHeavy
    size, shortened = len(packed), packed.count(b"z")
    for name in filters:
        if name in _PACKERS:
            return _GROWTH[_PACKERS[name]] * (size + 2)
        if name not in _WRITTEN:
            return 0
        # Of five characters four bytes, and four of a z. What a first text spells may be full of them.
        size = 4 * (size // 5 + 1 + shortened) if _WRITTEN[name] is _base85 else size // 2 + 1
        shortened = size
    return 0


def unpacked_size(packed: bytes, filters: Sequence[str], most: int) -> int:
    """The bytes that a stream with these filters, in this order, unpacks to; TooHeavy above `most`."""
    if sum(name in _PACKERS for name in filters) > 1:
        raise TooHeavy
    size = 0
    for name in filters:
        if name in _PACKERS:
            for piece in _PACKERS[name](packed):
                size += piece
                if size > most:
                    raise TooHeavy
            break
        if name not in _WRITTEN:
            break
        packed = _WRITTEN[name](packed.translate(None, _SPACES))
    return size


def _is_zlib(packed: bytes) -> bool:
    """Whether data begin as RFC 1950 section 2.2 asks, or are too short to be anything."""
    head = int.from_bytes(packed[:2], "big")
    return len(packed) < _HEAD or (head >> 8 & 0x8F == zlib.DEFLATED and head % 31 == 0 and not head & _DICTIONARY)


def _deflated(packed: bytes) -> Iterator[int]:
    """Without a look at the head, and at the sum at the end: there are readers that pass over both."""
    unpacker = zlib.decompressobj(-zlib.MAX_WBITS)
    rest = b""
    try:
        for at in range(_HEAD, len(packed), _PIECE):
            rest = packed[at : at + _PIECE]
            while rest and not unpacker.eof:
                yield len(unpacker.decompress(rest, 16 * _PIECE))
                rest = unpacker.unconsumed_tail
    except zlib.error:
        # What was unpacked before the fault is not told. A reader shows it: as many bytes as it can be at most.
        yield min(16 * _PIECE, _GROWTH[_deflated] * (len(rest) + 2))


def _run_lengths(packed: bytes) -> Iterator[int]:
    at = 0
    while at < len(packed) and packed[at] != 128:
        length = packed[at]
        yield length + 1 if length < 128 else 257 - length
        at += length + 2 if length < 128 else 2


def _lempel_ziv(packed: bytes) -> Iterator[int]:
    """As the larger of the two ways to read it: which one /EarlyChange asks for is not looked up (table 8)."""
    told = 0
    for early in (1, 0):
        size = 0
        for length in _words(packed, early):
            size += length
            if size > told:
                yield size - told
                told = size


def _words(packed: bytes, early: int) -> Iterator[int]:
    """The lengths of the words that the codes stand for; a code is 9 bits wide at first, and 12 in the end."""
    lengths = [1] * _FIRST
    width, bits, held, before = 9, 0, 0, 0
    for octet in packed:
        bits, held = bits << 8 | octet, held + 8
        if held < width:
            continue
        held -= width
        code, bits = bits >> held, bits & (1 << held) - 1
        if code == _CLEAR:
            lengths, width, before = [1] * _FIRST, 9, 0
            continue
        if code == _END or code > len(lengths):
            return
        if before and len(lengths) < 1 << _WIDEST:
            lengths.append(before + 1)
        before = lengths[code] if code < len(lengths) else before + 1
        yield before
        if len(lengths) + early >= 1 << width and width < _WIDEST:
            width += 1


def _base85(packed: bytes) -> bytes:
    """As far as it is right. By qpdf, at 20 times the speed of the standard library: half the LAIDs are written so."""
    try:
        return _by_qpdf(packed.partition(b"~")[0])
    except pikepdf.PdfError:
        return _by_qpdf(_right(_BASE85, packed))


def _by_qpdf(text: bytes) -> bytes:
    with pikepdf.new() as scratch:
        return scratch.make_stream(text + b"~>", Filter=pikepdf.Name.ASCII85Decode).read_bytes()


def _hexadecimal(packed: bytes) -> bytes:
    """As far as it is right."""
    digits = _right(_HEXADECIMAL, packed)
    return bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode("ascii"))


def _right(form: re.Pattern[bytes], packed: bytes) -> bytes:
    """As much of its beginning as has that form."""
    found = form.match(packed)
    return found[0] if found else b""


_PACKERS: Final[Mapping[str, Callable[[bytes], Iterator[int]]]] = MappingProxyType(
    {
        "/FlateDecode": _deflated,
        "/Fl": _deflated,
        "/LZWDecode": _lempel_ziv,
        "/LZW": _lempel_ziv,
        "/RunLengthDecode": _run_lengths,
        "/RL": _run_lengths,
    }
)
_WRITTEN: Final[Mapping[str, Callable[[bytes], bytes]]] = MappingProxyType(
    {"/ASCII85Decode": _base85, "/A85": _base85, "/ASCIIHexDecode": _hexadecimal, "/AHx": _hexadecimal}
)
COUNTED: Final = frozenset({*_PACKERS, *_WRITTEN})
"""The filters whose streams are counted."""
_GROWTH: Final[Mapping[Callable[[bytes], Iterator[int]], int]] = MappingProxyType(
    {_deflated: 1032, _lempel_ziv: 1 << _WIDEST, _run_lengths: 64}
)
"""Bytes that a byte becomes at most: 258 for two bits (RFC 1951 section 3.2.5), the longest word for nine, 128 for two bytes."""
