"""Read a PDF's tables of objects, and make sure that no reader can see another document in the file.

Readers differ in what they do about a table that is not quite right: some go on, some search the whole file for objects. A
file with an odd table is accepted only if both ways give the same. So the tables must list each place that reads as the
beginning of an object, the listed one must be the last of its number, and every trailer must name the same root. `survey`
raises TableFault otherwise. qpdf judges the objects' content, from the copy that `plain_copy` writes. All work is linear in
the file's size (ISO 32000-2 section 7.5).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from gateway.validation.pdf.raw import Malformed, RawDictionary, dictionary_at
from gateway.validation.pdf.syntax import Reference
from gateway.validation.pdf.words import Trouble
from gateway.validation.pdf.xref_sections import (
    At,
    Packed,
    TableFault,
    Unpack,
    XrefEntry,
    plain_section,
    stream_section,
)

WHITE: Final = b"\x00\t\n\f\r "
_W: Final = rb"[\x00\t\n\f\r ]"
_SPACES: Final = re.compile(_W + rb"{0,1024}+")
_START: Final = re.compile(rb"startxref" + _W + rb"++([0-9]{1,10})" + _W + rb"*+%%EOF" + _W + rb"*+\Z")
_TABLE: Final = re.compile(rb"xref(?=" + _W + rb")")
_ANY_TRAILER: Final = re.compile(rb"trailer" + _W + rb"*+(?=<<|%)")
_HEADER: Final = re.compile(rb"([0-9]{1,10})" + _W + rb"++([0-9]{1,5})" + _W + rb"*+obj")
_WORD: Final = re.compile(rb"(?<![A-Za-z])obj")
_NEAR: Final = 64
_LINE: Final = re.compile(rb"[\r\n][\x00\t\f ]*+\Z")
_NUMBERS: Final = re.compile(rb"(?<![0-9])([0-9]++)" + _W + rb"++([0-9]++)" + _W + rb"*+\Z")


class Header(NamedTuple):
    """`number generation obj`: from where to where."""

    number: int
    generation: int
    start: int
    end: int

    @property
    def where(self) -> str:
        return f"object {self.number} {self.generation}"


@dataclass(frozen=True)
class Survey:
    """All that the tables list and the file holds, free of doubt: `objects` is the table in effect.

    `revised` says that an update replaced objects, whose earlier versions are in the file too.
    """

    objects: dict[int, Header | Packed]
    headers: tuple[Header, ...]
    trailer: RawDictionary
    tables: frozenset[int]
    revised: bool


@dataclass
class _Chain:
    """What the tables say together, the newest first."""

    entries: dict[int, XrefEntry] = field(default_factory=dict)
    listed: set[tuple[int, int]] = field(default_factory=set)
    dictionaries: list[RawDictionary] = field(default_factory=list)
    trailers: set[int] = field(default_factory=set)
    streams: dict[int, Header] = field(default_factory=dict)


def survey(content: bytes, most: int, unpack: Unpack) -> Survey:
    """The objects of a file that ends with its last `%%EOF`; `most` bounds their number. Raises TableFault."""
    chain = _chain(content, most, unpack)
    headers = tuple(_headers(content, most))
    by_place = {header.start: header for header in headers}
    objects: dict[int, Header | Packed] = {}
    for number, entry in chain.entries.items():
        if isinstance(entry, Packed):
            objects[number] = entry
        elif isinstance(entry, At):
            header = by_place.get(_after_space(content, entry.offset))
            if header is None or (header.number, header.generation) != (number, entry.generation):
                raise TableFault(Trouble.LEADS_ELSEWHERE, f"object {number} {entry.generation}")
            objects[number] = header
    for number, it in objects.items():
        if isinstance(it, Packed) and not isinstance(objects.get(it.stream), Header):
            raise TableFault(Trouble.LEADS_ELSEWHERE, f"object {number} 0")
    for header in headers:
        _account_for(header, objects, chain, content)
    root = chain.dictionaries[0].entries.get(b"/Root")
    if not isinstance(root, Reference):
        raise TableFault(Trouble.NO_ROOT)
    for dictionary in chain.dictionaries:
        if dictionary.entries.get(b"/Root", root) != root:
            raise TableFault(Trouble.SEVERAL_ROOTS)
    for found in _ANY_TRAILER.finditer(content):
        if found.start() not in chain.trailers:
            raise TableFault(Trouble.SEVERAL_ROOTS)
    tables = frozenset(header.number for header in chain.streams.values())
    revised = len({header.number for header in headers}) < len(headers)
    return Survey(objects, headers, chain.dictionaries[0], tables, revised)


def _chain(content: bytes, most: int, unpack: Unpack) -> _Chain:
    """Follow the tables from the newest to the oldest."""
    start = _START.match(content, content.rfind(b"startxref"))
    if start is None:
        raise TableFault(Trouble.NO_TABLE)
    chain = _Chain()
    seen: set[int] = set()
    following: int | None = int(start[1])
    while following is not None:
        at = _after_space(content, following)
        if at in seen:
            raise TableFault(Trouble.TABLE_SYNTAX)
        seen.add(at)
        section, dictionary = _section(content, at, chain, most, unpack)
        hybrid = dictionary.entries.get(b"/XRefStm")
        if isinstance(hybrid, int) and _TABLE.match(content, at):
            hidden, _ = _section(content, _after_space(content, hybrid), chain, most, unpack)
            if hidden.keys() & section.keys():
                raise TableFault(Trouble.SEVERAL_TABLES)
            section.update(hidden)
        chain.listed.update(
            (number, _after_space(content, it.offset)) for number, it in section.items() if isinstance(it, At)
        )
        for number, entry in section.items():
            chain.entries.setdefault(number, entry)
        if len(chain.entries) > most or len(chain.dictionaries) > most:
            raise TableFault(Trouble.TOO_MANY)
        before = dictionary.entries.get(b"/Prev")
        following = before if isinstance(before, int) and before > 0 else None
    return chain


def _section(
    content: bytes, at: int, chain: _Chain, most: int, unpack: Unpack
) -> tuple[dict[int, XrefEntry], RawDictionary]:
    try:
        table = _TABLE.match(content, at)
        if table is not None:
            section, end = plain_section(content, table.end(), most)
            chain.trailers.add(end - len("trailer"))
            dictionary = dictionary_at(content, end)
        else:
            header = _HEADER.match(content, at)
            if header is None:
                raise TableFault(Trouble.NO_TABLE)
            dictionary = dictionary_at(content, header.end())
            section = stream_section(content, dictionary, most, unpack)
            chain.streams[at] = Header(int(header[1]), int(header[2]), header.start(), header.end())
        chain.dictionaries.append(dictionary)
    except Malformed as fault:
        raise TableFault(Trouble.TABLE_SYNTAX) from fault
    if not isinstance(dictionary.entries.get(b"/Size"), int):
        raise TableFault(Trouble.NO_SIZE)
    section.pop(0, None)
    return section, dictionary


def _headers(content: bytes, most: int) -> Iterator[Header]:
    """Every place, also within streams and texts, that a reader who looks for objects may take for one.

    Raises TableFault for an `obj` that only a comment, or white space without end, keeps from being one.
    """
    for count, word in enumerate(_WORD.finditer(content)):
        if count > 2 * most:
            raise TableFault(Trouble.TOO_MANY)
        start = max(0, word.start() - _NEAR)
        before = content[start : word.start()]
        numbers = _NUMBERS.search(before)
        if numbers is not None and (numbers.start() > 0 or start == 0):
            yield Header(int(numbers[1]), int(numbers[2]), start + numbers.start(), word.end())
            continue
        text = before.rstrip(WHITE)
        gap = before[len(text) :]
        alone = not content[word.end() : word.end() + 1].isalpha()
        if numbers is not None or (alone and (not text or text[-1:].isdigit() or b"\n" in gap or b"\r" in gap)):
            raise TableFault(Trouble.NOT_LISTED, "document")


def _account_for(header: Header, objects: dict[int, Header | Packed], chain: _Chain, content: bytes) -> None:
    """Raise TableFault unless the header is the object in effect, an earlier version of it, or a table itself.

    It has to begin a line: there are readers that look for objects nowhere else.
    """
    if _LINE.search(content, max(0, header.start - _NEAR), header.start) is None:
        raise TableFault(Trouble.WITHIN_A_LINE, header.where)
    now = objects.get(header.number)
    if now == header or chain.streams.get(header.start) == header:
        return
    if now is None or (header.number, header.start) not in chain.listed:
        raise TableFault(Trouble.NOT_LISTED if now is None else Trouble.TWICE, header.where)
    if not isinstance(now, Header) or now.start < header.start or now.generation != header.generation:
        raise TableFault(Trouble.TWICE, header.where)


def _after_space(content: bytes, at: int) -> int:
    """Where an offset leads that is a little too small: every reader passes over white space."""
    found = _SPACES.match(content, at)
    return found.end() if found else at
