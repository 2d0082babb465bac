"""Read a dictionary straight out of a PDF's bytes, with the place of each entry: for tables, trailers and heads of streams.

qpdf does not tell places. Only the standard's grammar is read (ISO 32000-2 sections 7.2 and 7.3): names are decoded, comments
passed over. A key that occurs twice is a fault, since readers differ in which one they take. Raises Malformed alone. Nesting is
followed with a list, never by recursion.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from gateway.validation.pdf.syntax import OPAQUE, Name, Reference, Text, Value

_DEPTH: Final = 64
_SPACE: Final = rb"[\x00\t\n\f\r ]"
_REGULAR: Final = rb"[^\x00\t\n\f\r /<>\[\](){}%]"
_TOKEN: Final = re.compile(
    rb"(?:" + _SPACE + rb"++|%[^\r\n]*+)*+"
    rb"(?:(?P<open><<|\[)|(?P<close>>>|\])|(?P<name>/" + _REGULAR + rb"*+)"
    rb"|(?P<hex><[0-9A-Fa-f\x00\t\n\f\r ]*+>)|(?P<text>\()|(?P<word>" + _REGULAR + rb"++))"
)
_IN_TEXT: Final = re.compile(rb"[^\\()]*+(?:\\.[^\\()]*+)*+([()])", re.DOTALL)
_HEX_IN_NAME: Final = re.compile(rb"#([0-9A-Fa-f]{2})")
_INTEGER: Final = re.compile(rb"[+-]?[0-9]{1,18}")
_R: Final = Name(b"R")
"""The word that makes a reference of two numbers; every name has a slash, so none is like it."""


class Malformed(ValueError):
    """The bytes at that place spell no dictionary, or one that readers read differently."""


@dataclass(frozen=True)
class RawDictionary:
    """A dictionary, the bytes that each of its values covers, and where it ends."""

    entries: dict[bytes, Value]
    spans: dict[bytes, tuple[int, int]]
    end: int


@dataclass(frozen=True)
class _Item:
    value: Value
    start: int
    end: int


def dictionary_at(content: bytes, at: int) -> RawDictionary:
    """The dictionary that begins at `at`, after white space and comments at most."""
    open_items: list[tuple[bytes, int, list[_Item]]] = []
    while True:
        token = _TOKEN.match(content, at)
        if token is None or (not open_items and token["open"] != b"<<"):
            raise Malformed
        kind = str(token.lastgroup)
        start, at = token.start(kind), token.end()
        if kind == "open":
            open_items.append((token["open"], start, []))
            if len(open_items) > _DEPTH:
                raise Malformed
            continue
        if kind != "close":
            if kind == "text":
                at = _end_of_text(content, at)
            _put(open_items[-1][2], _Item(_atom(kind, content[start:at]), start, at))
            continue
        opening, start, items = open_items.pop()
        if (opening == b"<<") is not (token["close"] == b">>"):
            raise Malformed
        if opening == b"[":
            value: Value = [item.value for item in items]
        else:
            found = _dictionary(items, at)
            if not open_items:
                return found
            value = found.entries
        open_items[-1][2].append(_Item(value, start, at))


def _put(items: list[_Item], item: _Item) -> None:
    """Add a value; a number, a number and `R` become one reference."""
    if item.value == _R and len(items) > 1:
        number, generation = items[-2].value, items[-1].value
        if isinstance(number, int) and isinstance(generation, int):
            items[-2:] = [_Item(Reference(number, generation), items[-2].start, item.end)]
            return
    items.append(item)


def _dictionary(items: list[_Item], end: int) -> RawDictionary:
    entries: dict[bytes, Value] = {}
    spans: dict[bytes, tuple[int, int]] = {}
    if len(items) % 2:
        raise Malformed
    for key, item in zip(items[::2], items[1::2], strict=True):
        if not isinstance(key.value, Name) or key.value[:1] != b"/" or key.value in entries:
            raise Malformed
        entries[key.value] = item.value
        spans[key.value] = (item.start, item.end)
    return RawDictionary(entries, spans, end)


def _end_of_text(content: bytes, at: int) -> int:
    depth = 1
    while depth:
        found = _IN_TEXT.match(content, at)
        if found is None:
            raise Malformed
        depth += 1 if found[1] == b"(" else -1
        at = found.end()
    return at


def _atom(kind: str, token: bytes) -> Value:
    if kind == "name":
        return Name(_HEX_IN_NAME.sub(lambda found: bytes.fromhex(found[1].decode("ascii")), token))
    if kind in {"text", "hex"}:
        return Text(token)
    if token == b"R":
        return _R
    return int(token) if _INTEGER.fullmatch(token) else OPAQUE
