"""Read a PDF's tables of objects as makers write them, and make sure that no reader can see another document in it.

Readers differ in what they do about a table that is not quite right: some go on, some build a new one by looking through
the whole file for objects. A file whose table is odd is therefore accepted only if both find the same: each place in the
file that reads as the beginning of an object is one that the tables list, the table's own is the last of its number, and every
trailer names the same root. `survey` raises TableFault where that does not hold. What it leaves to qpdf, which reads the plain
copy of `pdf_copy`, is every object's content. All of it is linear in the file (ISO 32000-2 section 7.5).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from gateway.validation.pdf.raw import Malformed, RawDictionary, dictionary_at
from gateway.validation.pdf.syntax import Reference
from gateway.validation.pdf.words import Trouble

WHITE: Final = b"\x00\t\n\f\r "
_W: Final = rb"[\x00\t\n\f\r ]"
_SPACES: Final = re.compile(_W + rb"{0,1024}+")
_START: Final = re.compile(rb"startxref" + _W + rb"++([0-9]{1,10})" + _W + rb"*+%%EOF" + _W + rb"*+\Z")
_TABLE: Final = re.compile(rb"xref(?=" + _W + rb")")
_SECTION: Final = re.compile(_W + rb"*+([0-9]{1,10})" + _W + rb"++([0-9]{1,10})(?=" + _W + rb")")
_ENTRY: Final = re.compile(_W + rb"*+([0-9]{10})" + _W + rb"++([0-9]{5})" + _W + rb"++([nf])(?=" + _W + rb")")
_TRAILER: Final = re.compile(_W + rb"*+trailer")
_ANY_TRAILER: Final = re.compile(rb"trailer" + _W + rb"*+(?=<<|%)")
_HEADER: Final = re.compile(rb"([0-9]{1,10})" + _W + rb"++([0-9]{1,5})" + _W + rb"*+obj")
_WORD: Final = re.compile(rb"(?<![A-Za-z])obj")
_NEAR: Final = 64
_LINE: Final = re.compile(rb"[\r\n][\x00\t\f ]*+\Z")
_NUMBERS: Final = re.compile(rb"(?<![0-9])([0-9]++)" + _W + rb"++([0-9]++)" + _W + rb"*+\Z")
_STREAM: Final = re.compile(_W + rb"*+stream(?:\r\n|\n|\r)")
_HIGHEST: Final = 8_388_607
"""The largest number of an object that readers have to bear (ISO 32000-1 annex C)."""


class TableFault(ValueError):
    """The tables do not say the same as the file; `trouble` says how, `where` names the object."""

    def __init__(self, trouble: Trouble, where: str = "table of objects") -> None:
        super().__init__(trouble, where)
        self.trouble = trouble
        self.where = where


class Header(NamedTuple):
    """`number generation obj`: from where to where."""

    number: int
    generation: int
    start: int
    end: int

    @property
    def where(self) -> str:
        return f"object {self.number} {self.generation}"


class Packed(NamedTuple):
    """An object kept in an object stream, at that place in it."""

    stream: int
    place: int


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


Unpack = Callable[[bytes, RawDictionary], bytes]
"""Gives the content of a stream that was read raw; raises Malformed."""


class _Free(NamedTuple):
    """An entry that says that there is no such object."""


class _At(NamedTuple):
    offset: int
    generation: int


_Entry = _At | Packed | _Free


@dataclass
class _Chain:
    """What the tables say together, the newest first."""

    entries: dict[int, _Entry] = field(default_factory=dict)
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
        elif isinstance(entry, _At):
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
            (number, _after_space(content, it.offset)) for number, it in section.items() if isinstance(it, _At)
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
) -> tuple[dict[int, _Entry], RawDictionary]:
    try:
        table = _TABLE.match(content, at)
        if table is not None:
            section, end = _plain_section(content, table.end(), most)
            chain.trailers.add(end - len("trailer"))
            dictionary = dictionary_at(content, end)
        else:
            header = _HEADER.match(content, at)
            if header is None:
                raise TableFault(Trouble.NO_TABLE)
            dictionary = dictionary_at(content, header.end())
            section = _stream_section(content, dictionary, most, unpack)
            chain.streams[at] = Header(int(header[1]), int(header[2]), header.start(), header.end())
        chain.dictionaries.append(dictionary)
    except Malformed as fault:
        raise TableFault(Trouble.TABLE_SYNTAX) from fault
    if not isinstance(dictionary.entries.get(b"/Size"), int):
        raise TableFault(Trouble.NO_SIZE)
    section.pop(0, None)
    return section, dictionary


def _plain_section(content: bytes, at: int, most: int) -> tuple[dict[int, _Entry], int]:
    """The rows of a table, and where the word `trailer` after it ends."""
    rows: dict[int, _Entry] = {}
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
            rows[number] = _At(int(row[1]), int(row[2])) if used else _Free()
    return rows, trailer.end()


def _stream_section(content: bytes, dictionary: RawDictionary, most: int, unpack: Unpack) -> dict[int, _Entry]:
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
    rows: dict[int, _Entry] = {}
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
            rows[number] = Packed(two, three) if form == 2 else _At(two, three) if used else _Free()
    return rows


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
