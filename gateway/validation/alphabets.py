"""Which characters may stand in a value, read out of the schema's patterns, and which one in a value may not.

An alphabet is wider than its pattern, which also gives order and number. It serves to name the character that no right value
holds, most often one that a person cannot see. `alphabet_of` and `widened` raise ValueError for a construct that none of our
schemas has; nothing else is raised. Safe because only that character is named, and nothing of the value around it.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from gateway.domain.characters import called, listed

_SPACES: Final = " \t\r\n"
_WHITE: Final = re.compile(r"[ \t\r\n]+")
_LAST: Final = 0x10FFFF
_ASCII: Final = range(0x20, 0x7F)
_CUTS: Final = (0x30, 0x3A, 0x41, 0x5B, 0x61, 0x7B, 0x7F)
_GROUPS: Final = {"L": "letters of any alphabet", "M": "their accents", "N": "digits of any kind"}
_LONGEST_RUN: Final = 2
"""Characters that stand side by side and are listed one by one; more are a range."""
_MOST_TOLD: Final = 12
"""Characters that a sentence of those that may not stand would have."""
_TOKEN: Final = re.compile(
    r"\[(?P<not>\^?)(?P<items>(?:\\.|[^\]\\])+)\]|\{[0-9,]+\}|[()|?*+]|(?P<one>\\?[^\[\]{}])", re.DOTALL
)
_ITEM: Final = re.compile(
    r"\\p\{(?P<group>[A-Z][a-z]?)\}|\\(?P<class>[sd])|(?P<low>\\?.)(?:-(?P<high>\\?[^\]]))?", re.DOTALL
)
_PROPERTY: Final = re.compile(r"\\p\{[A-Z][a-z]?\}")
_ONE_SET: Final = re.compile(r"\[(?!\^)(?:\\.|[^\]\\])+\](?:[+*]|\{[0-9,]+\})?", re.DOTALL)
_BEYOND_ASCII: Final = "\x80-\U0010ffff"
_OF_ASCII: Final = {"L": "A-Za-z", "M": "", "N": "0-9"}
"""What each group has within ASCII, as items of a set."""

_MOST_HELD: Final = 1_000
"""Characters that an alphabet remembers: enough for every name, and nothing that a file could fill the memory with."""

Span = tuple[int, int]
"""The first and the last of characters that stand side by side in Unicode."""


@dataclass(frozen=True)
class Alphabet:
    """The characters of `spans` (sorted, apart from each other) and of `groups` (general categories, such as `L`)."""

    spans: tuple[Span, ...]
    groups: tuple[str, ...] = ()
    is_told: bool = True
    """Whether saying which characters may stand would help anybody."""
    _held: set[str] = field(default_factory=set, init=False, repr=False, compare=False)
    """Characters of which `holds` was true: few in all, and asked about again and again."""

    def holds(self, character: str) -> bool:
        """Whether it may stand somewhere in a right value."""
        if self.groups and unicodedata.category(character).startswith(self.groups):
            return True
        number = ord(character)
        return any(low <= number <= high for low, high in self.spans)

    def fault(self, text: str) -> str | None:
        """The end of a sentence that names the first character that may not stand in it, and those that may."""
        if self._held.issuperset(text):
            return None
        stranger = next((character for character in text if not self.holds(character)), None)
        if stranger is None:
            if len(self._held) < _MOST_HELD:
                self._held.update(text)
            return None
        return f"{called(stranger)} may not stand in it{f'; {self.words} may' if self.is_told else ''}"

    @property
    def words(self) -> str:
        """The characters in words, for a sentence."""
        if self.spans and self.spans[-1][1] == _LAST:
            return f"everything but {listed(_shown(chr(number)) for low, high in _others(self.spans) for number in range(low, high + 1))}"
        told = [_GROUPS[group] for group in self.groups]
        marks = []
        for low, high in (part for span in self.spans for part in _split(span)):
            if high - low > _LONGEST_RUN and not _is_mark(low):
                told.append(f"{_shown(chr(low))} to {_shown(chr(high))}")
            else:
                marks += [chr(number) for number in range(low, high + 1)]
        told += ["space"] if " " in marks else []
        seen = [mark for mark in marks if mark.isprintable() and mark != " "]
        return listed([*told, " ".join(seen)] if seen else told)


def alphabet_of(patterns: Iterable[str]) -> Alphabet:
    """What the values that fit one of these patterns (XML Schema part 2, appendix F) are made of."""
    spans: list[Span] = []
    groups: list[str] = []
    for pattern in patterns:
        for negated, items in _sets(pattern):
            found = list(_spans(items))
            spans += _others(found) if negated else found
            named = [item["group"] for item in _ITEM.finditer(items) if item["group"]]
            if named and negated:
                raise ValueError("a negated set of a group of characters")
            groups += named
    merged = tuple(_merged(spans))
    excluded = sum(high - low + 1 for low, high in _others(merged)) if merged and merged[-1][1] == _LAST else 0
    return Alphabet(merged, tuple(sorted(set(groups))), is_told=excluded <= _MOST_TOLD)


def alphabet_of_codes(codes: Iterable[str]) -> Alphabet:
    """What these codes are made of, and the rest of ASCII: only what cannot be seen, or not be told apart, is strange."""
    used = [(ord(character), ord(character)) for character in "".join(codes)]
    return Alphabet(tuple(_merged([(_ASCII.start, _ASCII.stop - 1), *used])), is_told=False)


def widened(pattern: str) -> str:
    """The pattern with every character beyond ASCII in place of a group: for a library whose Unicode is not Python's.

    libxml2's own tables end with the Unicode of 2006, and have of the Han and Hangul letters the first and the last. Where a
    pattern is one set, what it lost is `Alphabet.fault`: so no other form of pattern may name a group.
    """
    if not _PROPERTY.search(pattern):
        return pattern
    groups = [found[0][3:-1] for found in _PROPERTY.finditer(pattern)]
    if not _ONE_SET.fullmatch(pattern) or not _OF_ASCII.keys() >= set(groups):
        raise ValueError("a group of characters in a pattern that is not one set")
    return _PROPERTY.sub(lambda found: _OF_ASCII[found[0][3:-1]], pattern).replace("[", f"[{_BEYOND_ASCII}", 1)


def collapsed(text: str) -> str:
    """The text as XML Schema reads a token: white space at its ends gone, and made one space inside."""
    return _WHITE.sub(" ", text).strip(" ")


def _sets(pattern: str) -> Iterator[tuple[bool, str]]:
    """The sets and single characters of a pattern, as the items of a set."""
    position = 0
    while position < len(pattern):
        token = _PROPERTY.match(pattern, position)
        if token is not None:
            yield False, token[0]
        else:
            token = _TOKEN.match(pattern, position)
            if token is None or token["one"] == ".":
                raise ValueError("a pattern of another form than ours")
            if token["items"]:
                yield bool(token["not"]), token["items"]
            elif token["one"]:
                yield False, token["one"]
        position = token.end()


def _spans(items: str) -> Iterator[Span]:
    for item in _ITEM.finditer(items):
        if item["class"] == "s":
            yield from ((ord(space), ord(space)) for space in _SPACES)
        elif item["class"] == "d":
            yield ord("0"), ord("9")
        elif item["low"]:
            low = ord(item["low"][-1])
            yield low, ord(item["high"][-1]) if item["high"] else low


def _merged(spans: Iterable[Span]) -> list[Span]:
    merged: list[Span] = []
    for low, high in sorted(spans):
        if merged and low <= merged[-1][1] + 1:
            merged[-1] = merged[-1][0], max(high, merged[-1][1])
        else:
            merged.append((low, high))
    return merged


def _others(spans: Sequence[Span]) -> Iterator[Span]:
    following = 0
    for low, high in _merged(spans):
        if following < low:
            yield following, low - 1
        following = high + 1
    if following <= _LAST:
        yield following, _LAST


def _split(span: Span) -> Iterator[Span]:
    """A span cut where the letters and digits of ASCII begin and end: `/ to 9` would tell nobody anything."""
    low, high = span
    for cut in _CUTS:
        if low < cut <= high:
            yield low, cut - 1
            low = cut
    yield low, high


def _is_mark(number: int) -> bool:
    return number in _ASCII and not chr(number).isalnum()


def _shown(character: str) -> str:
    return character if character.isprintable() and character != " " else called(character)
