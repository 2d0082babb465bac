"""Turn the patterns of fields into one table that a value is followed through, byte by byte: automata without a choice.

The patterns are those that rows are accepted by (`fields.field_pattern`), so a rule is written once. Understood are sets and
characters, groups without a number, alternatives and repetition; ValueError is raised for anything else. A repetition that does
not give back (`++`) is taken as one that does, so an automaton may accept more than its pattern: a test holds it against the check.

The way is Glushkov's: a state is the set of places in the pattern that the bytes so far may have led to.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Final, NamedTuple

_TOKEN: Final = re.compile(
    rb"(?P<open>\(\?:)|(?P<close>\))|(?P<bar>\|)"
    rb"|(?P<repeat>[?*+]|\{(?P<least>[0-9]+)(?P<range>,(?P<most>[0-9]*))?\})\+?"
    rb"|(?P<set>\[\^?(?:\\x[0-9a-f]{2}|\\[^x]|[^\]\\])+\]|\\[^0-9A-Za-z]|[^][\\(){}|?*+.^$])",
    re.DOTALL,
)
_REPEATS: Final[Mapping[bytes, tuple[int, int | None]]] = {b"?": (0, 1), b"*": (0, None), b"+": (1, None)}
_BEFORE: Final = -1
"""The place in front of a pattern."""


class Automata(NamedTuple):
    """Several automata in one table.

    `classes` gives the column of each of the 256 bytes, 0 for those that end a value. A state is the offset of its row of
    `width` numbers in `next`: first whether a value may end there (0, 1), then the next state for each column. State 0 accepts
    nothing. `starts` has the first state of each pattern, in their order.
    """

    classes: bytes
    width: int
    next: list[int]
    starts: list[int]


class _Part(NamedTuple):
    """A part of a pattern: whether it may be empty, and the places at which it may begin and end."""

    empty: bool
    first: frozenset[int]
    last: frozenset[int]


_NOTHING: Final = _Part(empty=True, first=frozenset(), last=frozenset())
_Tree = tuple[str, tuple["_Tree", ...]] | frozenset[int]


@dataclass
class _Places:
    """The places of one pattern: the bytes that each stands for, and those that may follow it."""

    bytes_of: list[frozenset[int]] = field(default_factory=list)
    followers: dict[int, set[int]] = field(default_factory=dict)
    last: frozenset[int] = frozenset()

    def lay(self, tree: _Tree) -> _Part:
        if isinstance(tree, frozenset):
            place = len(self.bytes_of)
            self.bytes_of.append(tree)
            self.followers[place] = set()
            return _Part(empty=False, first=frozenset({place}), last=frozenset({place}))
        kind, below = tree
        if kind == "alternatives":
            parts = [self.lay(each) for each in below]
            return _Part(
                any(part.empty for part in parts),
                frozenset().union(*(part.first for part in parts)),
                frozenset().union(*(part.last for part in parts)),
            )
        if kind == "sequence":
            whole = _NOTHING
            for each in below:
                whole = self._join(whole, self.lay(each))
            return whole
        part = self.lay(below[0])
        if kind == "again":
            self._follow(part.last, part.first)
        return part._replace(empty=True)

    def _join(self, one: _Part, other: _Part) -> _Part:
        self._follow(one.last, other.first)
        return _Part(
            one.empty and other.empty,
            one.first | other.first if one.empty else one.first,
            one.last | other.last if other.empty else other.last,
        )

    def _follow(self, places: Iterable[int], followers: frozenset[int]) -> None:
        for place in places:
            self.followers[place] |= followers


def automata(patterns: Iterable[tuple[bytes, bool]], ends: bytes) -> Automata:
    """One automaton for each pattern, which also accepts the empty value where its second part is true.

    `ends` are the bytes that end a value; ValueError where a pattern has one of them.
    """
    laid = []
    for pattern, optional in patterns:
        places = _Places()
        part = places.lay(_parsed(pattern))
        places.followers[_BEFORE] = set(part.first)
        places.last = part.last | {_BEFORE} if optional or part.empty else part.last
        laid.append(places)
    sets = list(dict.fromkeys(members for places in laid for members in places.bytes_of))
    if any(end in members for members in sets for end in ends):
        raise ValueError("a value that holds what ends it")
    columns: dict[tuple[bool, ...], int] = {}
    classes = bytes(
        0 if byte in ends else columns.setdefault(tuple(byte in members for members in sets), len(columns) + 1)
        for byte in range(256)
    )
    width = len(columns) + 1
    table, starts = [0] * width, list[int]()
    for places in laid:
        starts.append(len(table))
        table += _states(places, classes, width, len(table))
    return Automata(classes, width, table, starts)


def _states(places: _Places, classes: bytes, width: int, offset: int) -> Iterator[int]:
    """The rows of one automaton, whose first state lies at `offset`."""
    columns = [sorted({classes[byte] for byte in members}) for members in places.bytes_of]
    known = {frozenset({_BEFORE}): offset}
    waiting = list(known)
    for state in waiting:
        following: dict[int, set[int]] = {}
        for place in set().union(*(places.followers[place] for place in state)):
            for column in columns[place]:
                following.setdefault(column, set()).add(place)
        row = [0] * width
        row[0] = int(not state.isdisjoint(places.last))
        for column, reached in following.items():
            following_state = frozenset(reached)
            if following_state not in known:
                known[following_state] = offset + len(known) * width
                waiting.append(following_state)
            row[column] = known[following_state]
        yield from row


def _parsed(pattern: bytes) -> _Tree:
    """The pattern as a tree of sequences, alternatives and repetitions of sets of bytes."""
    outer: list[list[list[_Tree]]] = []
    alternatives: list[list[_Tree]] = [[]]
    at = 0
    while at < len(pattern):
        token = _TOKEN.match(pattern, at)
        if token is None:
            raise ValueError("a pattern that no automaton is made for")
        at = token.end()
        if token["open"]:
            outer.append(alternatives)
            alternatives = [[]]
        elif token["close"] and outer:
            group, alternatives = _alternatives(alternatives), outer.pop()
            alternatives[-1].append(group)
        elif token["bar"]:
            alternatives.append([])
        elif token["repeat"] and alternatives[-1]:
            alternatives[-1].append(_repeated(alternatives[-1].pop(), *_times(token)))
        elif token["set"]:
            alternatives[-1].append(_members(token["set"]))
        else:
            raise ValueError("a group that is not opened, or a repetition of nothing")
    if outer:
        raise ValueError("a group that is not closed")
    return _alternatives(alternatives)


def _alternatives(sequences: Iterable[list[_Tree]]) -> _Tree:
    return "alternatives", tuple(("sequence", tuple(sequence)) for sequence in sequences)


def _times(token: re.Match[bytes]) -> tuple[int, int | None]:
    if token["least"] is None:
        return _REPEATS[token["repeat"]]
    least = int(token["least"])
    if not token["range"]:
        return least, least
    return least, int(token["most"]) if token["most"] else None


def _repeated(tree: _Tree, least: int, most: int | None) -> _Tree:
    always = (tree,) * least
    if most is None:
        return "sequence", (*always, ("again", (tree,)))
    optional: _Tree = ("sequence", ())
    for _ in range(most - least):
        optional = ("optional", (("sequence", (tree, optional)),))
    return "sequence", (*always, optional)


@cache
def _members(token: bytes) -> frozenset[int]:
    """The bytes that a set or a character stands for, as `re` has it."""
    one = re.compile(token)
    return frozenset(byte for byte in range(256) if one.fullmatch(bytes([byte])))
