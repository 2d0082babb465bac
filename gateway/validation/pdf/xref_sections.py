"""One section of a PDF's table of objects: the rows of a plain table, or of a cross-reference stream.

Raises TableFault and Malformed. Source: ISO 32000-2, sections 7.5.4 and 7.5.8.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, NamedTuple

from gateway.validation.pdf.raw import Malformed, RawDictionary
from gateway.validation.pdf.words import Trouble

_W: Final = rb"[\x00\t\n\f\r ]"
_SECTION: Final = re.compile(_W + rb"*+([0-9]{1,10})" + _W + rb"++([0-9]{1,10})(?=" + _W + rb")")
_ENTRY: Final = re.compile(_W + rb"*+([0-9]{10})" + _W + rb"++([0-9]{5})" + _W + rb"++([nf])(?=" + _W + rb")")
_TRAILER: Final = re.compile(_W + rb"*+trailer")
_STREAM: Final = re.compile(_W + rb"*+stream(?:\r\n|\n|\r)")
_HIGHEST: Final = 8_388_607
"""The largest number of an object that readers have to bear (ISO 32000-1 annex C)."""


class TableFault(ValueError):
    """The tables do not say the same as the file; `trouble` says how, `where` names the object."""

    def __init__(self, trouble: Trouble, where: str = "table of objects") -> None:
        super().__init__(trouble, where)
        self.trouble = trouble
        self.where = where


class Packed(NamedTuple):
    """An object kept in an object stream, at that place in it."""

    stream: int
    position: int


Unpack = Callable[[bytes, RawDictionary], bytes]
"""Gives the content of a stream that was read raw; raises Malformed."""


class Free(NamedTuple):
    """An entry that says that there is no such object."""


class At(NamedTuple):
    offset: int
    generation: int


XrefEntry = At | Packed | Free


def plain_section(content: bytes, at: int, most: int) -> tuple[dict[int, XrefEntry], int]:
    """The rows of a table, and where the word `trailer` after it ends."""
    rows: dict[int, XrefEntry] = {}
    while (trailer := _TRAILER.match(content, at)) is None:
        head = _SECTION.match(content, at)
        if head is None:
            raise Malformed
        first, count, at = int(head[1]), int(head[2]), head.end()
        if len(rows) + count > most:
            raise TableFault(Trouble.TOO_MANY)
        for number in range(first, first + count):
            row = _ENTRY.match(content, at)
            if row is None or number in rows or number > _HIGHEST:
                raise Malformed
            at = row.end()
            # No object can be at the very beginning: such a row says that there is none.
            used = row[3] == b"n" and int(row[1]) > 0
            rows[number] = At(int(row[1]), int(row[2])) if used else Free()
    return rows, trailer.end()


def stream_section(content: bytes, dictionary: RawDictionary, most: int, unpack: Unpack) -> dict[int, XrefEntry]:
    """The rows of a cross-reference stream (section 7.5.8)."""
    says = dictionary.entries
    if says.get(b"/Type") != b"/XRef":
        raise Malformed
    head = _STREAM.match(content, dictionary.end)
    length, size, widths = says.get(b"/Length"), says.get(b"/Size"), says.get(b"/W")
    if head is None or not isinstance(length, int) or not isinstance(size, int):
        raise Malformed
    match widths:
        case [int(kind), int(second), int(third)] if all(0 <= width <= 8 for width in (kind, second, third)):
            pass
        case _:
            raise Malformed
    wide = kind + second + third
    data = unpack(content[head.end() : head.end() + length], dictionary)
    if not wide:
        raise Malformed
    # /Size may be too large, as with a plain table: the rows that are missing list no objects. There are whole rows only.
    most_rows = min(size, len(data) // wide if len(data) % wide == 0 else size)
    index = says.get(b"/Index", [0, most_rows])
    if not isinstance(index, list) or len(index) % 2:
        raise Malformed
    rows: dict[int, XrefEntry] = {}
    at = 0
    for first, count in zip(index[::2], index[1::2], strict=True):
        if (
            not isinstance(first, int)
            or not isinstance(count, int)
            or min(first, count) < 0
            or first + count > _HIGHEST
        ):
            raise Malformed
        if at + count * wide > len(data):
            raise Malformed
        if len(rows) + count > most:
            raise TableFault(Trouble.TOO_MANY)
        for number in range(first, first + count):
            row = data[at : at + wide]
            at += wide
            form = int.from_bytes(row[:kind], "big") if kind else 1
            two = int.from_bytes(row[kind : kind + second], "big")
            three = int.from_bytes(row[kind + second :], "big")
            if number in rows:
                raise Malformed
            used = form == 1 and two > 0
            rows[number] = Packed(two, three) if form == 2 else At(two, three) if used else Free()
    return rows
