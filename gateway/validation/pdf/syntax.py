"""Read one PDF object out of the text that qpdf writes for it, without crossing into the library again.

qpdf writes names decoded (`/#4a#53` comes out as `/JS`), strings escaped, indirect objects as `12 0 R`, and no comments:
so a few token kinds are enough, and a rule that looks for a name cannot be deceived by its spelling. The contents of
strings never show: a `Text` says nothing of itself, and only the rule about addresses of links reads one. Raises `TooDeep`
and nothing else: text that is not such an object becomes an empty `Opaque`. Nesting is followed with a list, never by
recursion.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple, TypeAlias


class TooDeep(ValueError):
    """Arrays and dictionaries are nested deeper than the limit."""


class Name(bytes):
    """A PDF name with its slash, such as `/Page`."""

    __slots__ = ()


class Text(bytes):
    """A string as it is written, in its brackets: `(a)` or `<61>`. Never shown."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "Text(...)"


class Reference(NamedTuple):
    """`number generation R`: the object is kept elsewhere in the file."""

    number: int
    generation: int


class Null(NamedTuple):
    """`null`: as if it were not there."""


class Opaque(NamedTuple):
    """A number with a fraction, one of very many digits, or a boolean, as it is written."""

    text: bytes = b""


NULL: Final = Null()
OPAQUE: Final = Opaque()
Value: TypeAlias = "dict[bytes, Value] | list[Value] | Name | Text | Reference | int | Null | Opaque"

_TOKEN = re.compile(
    rb"(?P<open><<|\[)|(?P<close>>>|\])"
    rb"|(?P<name>/[^\x00\t\n\f\r /<>\[\](){}%]*+)"
    rb"|(?P<reference>[0-9]{1,10} [0-9]{1,5} R(?![^\x00\t\n\f\r /<>\[\](){}%]))"
    rb"|(?P<integer>-?[0-9]{1,18}(?![^\x00\t\n\f\r /<>\[\](){}%]))"
    rb"|(?P<text>\([^\\()]*+(?:\\.[^\\()]*+)*+\)|<[0-9A-Fa-f]*+>)"
    rb"|(?P<null>null(?![^\x00\t\n\f\r /<>\[\](){}%]))"
    rb"|[^\x00\t\n\f\r /<>\[\](){}%]++",
    re.DOTALL,
)
_ESCAPED: Final = re.compile(rb"\\(?:([0-7]{1,3})|(\r\n|.))", re.DOTALL)
_MEANT: Final = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\f", b"\r\n": b"", b"\n": b"", b"\r": b""}


def parse(text: bytes, max_depth: int) -> Value:
    """The object that `text` spells. Raises TooDeep beyond `max_depth` nested arrays and dictionaries."""
    results: list[Value] = []
    open_items: list[list[Value]] = [results]
    for token in _TOKEN.finditer(text):
        kind = token.lastgroup
        if kind == "open":
            if len(open_items) > max_depth:
                raise TooDeep
            open_items.append([])
        elif kind == "close":
            if len(open_items) > 1:
                items = open_items.pop()
                open_items[-1].append(_dictionary(items) if token[0] == b">>" else items)
        else:
            open_items[-1].append(_atom(kind, token[0]))
    return results[0] if results else OPAQUE


def spelled(text: Text) -> bytes:
    """What a string says (ISO 32000-2 section 7.3.4)."""
    if text[:1] == b"<":
        digits = text[1:-1].translate(None, b"\x00\t\n\f\r ")
        return bytes.fromhex((digits + b"0" * (len(digits) % 2)).decode("ascii"))
    return _ESCAPED.sub(_meaning, text[1:-1])


def _meaning(escape: re.Match[bytes]) -> bytes:
    if escape[1] is not None:
        return bytes([int(escape[1], 8) & 0xFF])
    return _MEANT.get(escape[2], escape[2])


def _dictionary(items: list[Value]) -> dict[bytes, Value]:
    pairs = zip(items[::2], items[1::2], strict=False)
    return {key: value for key, value in pairs if isinstance(key, Name)}


def _atom(kind: str | None, token: bytes) -> Value:
    if kind == "name":
        return Name(token)
    if kind == "reference":
        number, generation, _ = token.split(b" ")
        return Reference(int(number), int(generation))
    if kind == "text":
        return Text(token)
    if kind == "null":
        return NULL
    return int(token) if kind == "integer" else Opaque(token)
