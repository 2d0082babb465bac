"""Read one PDF object out of the text that qpdf writes for it, without crossing into the library again.

qpdf writes names decoded (`/#4a#53` comes out as `/JS`), strings escaped, indirect objects as `12 0 R`, and no comments:
so a few token kinds are enough, and a rule that looks for a name cannot be deceived by its spelling. The contents of
strings are dropped as they are read; nothing of them can reach a finding. Raises `TooDeep` and nothing else: text that is not
such an object becomes an empty `Opaque`. Nesting is followed with a list, never by recursion.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple, TypeAlias


class TooDeep(ValueError):
    """Arrays and dictionaries are nested deeper than the limit."""


class Name(bytes):
    """A PDF name with its slash, such as `/Page`."""

    __slots__ = ()


class Reference(NamedTuple):
    """`number generation R`: the object is kept elsewhere in the file."""

    number: int
    generation: int


class Opaque(NamedTuple):
    """A string, a number with a fraction, a boolean or null: no rule asks what it says."""


OPAQUE: Final = Opaque()
Value: TypeAlias = "dict[bytes, Value] | list[Value] | Name | Reference | int | Opaque"

_TOKEN = re.compile(
    rb"(?P<open><<|\[)|(?P<close>>>|\])"
    rb"|(?P<name>/[^\x00\t\n\f\r /<>\[\](){}%]*+)"
    rb"|(?P<reference>[0-9]{1,10} [0-9]{1,5} R(?![^\x00\t\n\f\r /<>\[\](){}%]))"
    rb"|(?P<integer>-?[0-9]{1,18}(?![^\x00\t\n\f\r /<>\[\](){}%]))"
    rb"|\([^\\()]*+(?:\\.[^\\()]*+)*+\)|<[0-9A-Fa-f]*+>|[^\x00\t\n\f\r /<>\[\](){}%]++",
    re.DOTALL,
)


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


def _dictionary(items: list[Value]) -> dict[bytes, Value]:
    pairs = zip(items[::2], items[1::2], strict=False)
    return {key: value for key, value in pairs if isinstance(key, Name)}


def _atom(kind: str | None, token: bytes) -> Value:
    if kind == "name":
        return Name(token)
    if kind == "reference":
        number, generation, _ = token.split(b" ")
        return Reference(int(number), int(generation))
    return int(token) if kind == "integer" else OPAQUE
