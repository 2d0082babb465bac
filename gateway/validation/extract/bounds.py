"""Where the rows of an extract begin and end in its bytes, and what is wrong with a first row that is not an extract's.

Programs leave a byte order mark before the first row, and an empty line and the end mark of DOS (0x1A) after the last. These
belong to no row. Every reader of an extract asks here, so that all of them agree. Raises OSError as the file does.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection
from typing import BinaryIO, Final, NamedTuple

from gateway.domain.characters import called
from gateway.validation.extract.layout import RECORD_TYPES

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_WIDE: Final = re.compile(rb"\A(?:\xff\xfe|\xfe\xff|\0?[0-9\"]\0)")
"""How a file begins in UTF-16 or UTF-32, with its mark or without."""
_TAIL: Final = 4096
_END: Final = re.compile(rb"(?:(?<![\r\n])(?P<last>\r?\n)(?:[ \t]*(?:\r?\n)?))?(?P<mark>\x1a{1,128}(?:\r?\n){0,2})?\Z")
"""The end of the last row, one empty line, and end marks: CP/M filled a sector of 128 bytes with them."""
_SEPARATORS: Final = ";\t|"
_QUOTATION_MARKS: Final = "'`´‘’‚“”„«»"


class Bounds(NamedTuple):
    """The first byte of the first row, and the first one behind the last row and its line end."""

    begin: int
    end: int


class FirstRowFault(NamedTuple):
    """Why a first row is none of an extract: the code of the finding, and what it is that is there."""

    code: str
    detail: str


def bounds(file: BinaryIO) -> Bounds:
    """Where the rows lie in an open file, whose position is changed."""
    file.seek(0)
    begin = len(_BYTE_ORDER_MARK) if file.read(len(_BYTE_ORDER_MARK)) == _BYTE_ORDER_MARK else 0
    size = file.seek(0, os.SEEK_END)
    start = max(begin, size - _TAIL)
    file.seek(start)
    tail = file.read(size - start)
    found = _END.search(tail)
    if found is None:
        return Bounds(begin, size)
    if found["last"] is None:
        return Bounds(begin, start + found.start())
    if tail[: found.start()].rstrip(b" \t").endswith(b"\n"):
        # That line is empty as well: with several of them all are told, and none is passed over.
        return Bounds(begin, size if found["mark"] is None else start + found.start("mark"))
    return Bounds(begin, start + found.end("last"))


def field_numbers(first: bytes) -> tuple[str, ...]:
    """What a first row says, its quotation marks left out."""
    return tuple(first.rstrip(b"\r\n").replace(b'"', b"").decode("ascii", "replace").split(","))


def first_row_fault(first: bytes, known: Collection[tuple[str, ...]]) -> FirstRowFault:
    """What is wrong with a first row that says none of the `known` field numbers."""
    if _WIDE.match(first):
        return FirstRowFault("extract-encoding", "The file is in UTF-16, which Windows programs call Unicode.")
    text = first.rstrip(b"\r\n").decode("utf-8", "replace")
    if not text.strip(" \t"):
        return FirstRowFault("extract-blank-row", "The field numbers stand in the first row of the file.")
    if "\r" in text:
        return FirstRowFault("extract-line-end", "")
    bare = text.replace('"', "")
    for separator in _SEPARATORS:
        if tuple(bare.split(separator)) in known:
            return FirstRowFault("extract-separator", f"Here it is {called(separator)}.")
    for mark in _QUOTATION_MARKS:
        if mark in bare and _without(bare, _QUOTATION_MARKS) in known:
            return FirstRowFault("extract-quotes", f"{called(mark)} is none; QUOTATION MARK (U+0022) is.")
    return FirstRowFault("extract-header", _header_detail(bare, known))


def _header_detail(bare: str, known: Collection[tuple[str, ...]]) -> str:
    if bare.split(",", 1)[0] in RECORD_TYPES:
        return "It is a record: the row of field numbers is missing."
    if tuple(bare.rstrip(",").split(",")) in known:
        return "Commas follow the last number: a spreadsheet has written empty columns."
    stranger = next((character for character in bare if not (character.isascii() and character in "0123456789,")), None)
    return "" if stranger is None else f"{called(stranger)} stands in it; 0 to 9 and , may."


def _without(text: str, marks: str) -> tuple[str, ...]:
    return tuple(text.translate(dict.fromkeys(map(ord, marks))).split(","))
