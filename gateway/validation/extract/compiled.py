"""Read runs of right rows by compiled code, `accept_rows.c`: many times as fast as by patterns, and never the last word.

The library is optional, and used only where its bytes have the digest that lies beside it. It stops in front of every row that it does not accept, and the rules in Python judge that one; where
it is missing, or was built from another state of its source, they judge all. It follows tables that are made here from the
patterns of the fields, so it has no rules of its own. It is plain C without Python's interface: only buffers of ours and numbers
cross. Raises ValueError where tables cannot be made of a layout, and nothing for what an extract holds.
"""

from __future__ import annotations

import ctypes
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from pathlib import Path
from struct import Struct
from typing import Final

from gateway.validation.extract.automaton import automata

LIBRARY: Final = Path(__file__).with_name("accept_rows.so.1")
"""Not named as Python names modules: it is none."""
SOURCE: Final = Path(__file__).with_name("accept_rows.c")
_REPORTED: Final = 6
_SLOTS: Final = 16
_ROW: Final = Struct(f"{2 + 2 * _REPORTED}I")
_ROOM: Final = 4096
_ENDS: Final = b',"\r\n'
_NEEDS_REFERENCE, _OPENS, _ADDS_NOTHING = 1, 2, 4
_MOST_COUNTED: Final = 255
_MOST_NUMBERS: Final = 65_535
_DAY_MONTH_YEAR: Final = bytes((6, 7, 8, 9, 3, 4, 0, 1, 2, 5))
"""The places of DD/MM/YYYY, the weightiest first; the strokes are the same in every date."""


class _Tables(ctypes.Structure):
    _fields_ = (
        *((name, ctypes.c_void_p) for name in ("classes", "types", "next", "starts", "empty")),
        *((name, ctypes.c_void_p) for name in ("slots", "traits", "orders", "weights")),
        *((name, ctypes.c_uint32) for name in ("size", "width", "type_count", "columns", "order_count", "weight")),
    )


class _Run(ctypes.Structure):
    _fields_ = (("stopped", ctypes.c_uint64), ("rows", ctypes.c_uint64), ("reported", ctypes.c_uint64))


@dataclass(frozen=True)
class Shape:
    """One record type: for every column behind the first its pattern and whether it may be empty; all counted from 0 there.

    `reported` are the columns whose values are handed back, None for one that the variant does not have: first the two claim
    references. `orders` are pairs of columns with dates, the earlier first. Rows of a type that `opens` may be followed by rows
    with the same references, which then are not handed back unless they have another of the values; those of a type that
    `needs_reference` have at least one of the two; those of one that `adds_nothing` are only counted.
    """

    kind: str
    columns: Sequence[tuple[bytes, bool]]
    reported: Sequence[int | None]
    orders: Sequence[tuple[int, int]]
    opens: bool
    needs_reference: bool
    adds_nothing: bool


@dataclass(frozen=True)
class Run:
    """Rows that follow each other and are right: where the next one begins, how many there are, how many of each type.

    `reported` has of each row that matters to others its number in this run, from 0, and that of its shape; and where each of the
    six values starts and stops, both 0 where it is not there. It lasts until the next run is read.
    """

    stopped: int
    rows: int
    counts: Sequence[tuple[str, int]]
    reported: Iterator[tuple[int, ...]]


class RowReader:
    """Accepts the rows of one variant. It holds the tables for as long as it lives. ValueError where they cannot be made."""

    def __init__(self, library: ctypes.CDLL, shapes: Sequence[Shape]) -> None:
        self._accept = library.accept_rows
        self._kinds = [shape.kind for shape in shapes]
        self._reported = ctypes.create_string_buffer(_ROOM * _ROW.size)
        self._counts = (ctypes.c_uint64 * len(shapes))()
        self._held, self._tables = _tables(shapes)
        if not library.tables_are_sound(ctypes.byref(self._tables)):
            raise ValueError("tables that lead out of themselves")

    def read(self, content: bytes, start: int, end: int, longest: int, most: int) -> Run:
        """The right rows from `start` on that end at `end` or before, at most `most`, none of more bytes than `longest`."""
        run = _Run()
        ctypes.memset(self._counts, 0, ctypes.sizeof(self._counts))
        self._accept(
            ctypes.byref(self._tables),
            ctypes.c_char_p(content),
            *map(ctypes.c_uint64, (start, max(start, min(end, len(content))), longest, most)),
            self._reported,
            ctypes.c_uint64(_ROOM),
            self._counts,
            ctypes.byref(run),
        )
        counts = [(kind, count) for kind, count in zip(self._kinds, self._counts, strict=True) if count]
        reported = _ROW.iter_unpack(memoryview(self._reported)[: run.reported * _ROW.size])
        return Run(run.stopped, run.rows, counts, reported)


@cache
def library(path: Path = LIBRARY) -> ctypes.CDLL | None:
    """The compiled code, where it is whole, and was built from the source beside it. None for anything else."""
    try:
        # Compared before it is mapped: the first touch of a page that is missing would end this process.
        if path.with_name(f"{path.name}.sha256").read_bytes().strip() != _digest(path):
            return None
        found = ctypes.CDLL(str(path))
        found.built_from.restype = ctypes.c_char_p
        found.accept_rows.restype = None
        found.tables_are_sound.restype = ctypes.c_int
        return found if found.built_from() == _digest(SOURCE) else None
    except (OSError, AttributeError):
        return None


def _digest(path: Path) -> bytes:
    return sha256(path.read_bytes()).hexdigest().encode()


def _tables(shapes: Sequence[Shape]) -> tuple[list[array[int]], _Tables]:
    """The tables, and the memory that they point into."""
    patterns = {column: number for number, column in enumerate(dict.fromkeys(c for s in shapes for c in s.columns))}
    table = automata(patterns, _ENDS)
    if len(table.next) > _MOST_NUMBERS:
        raise ValueError("more states than a number of two bytes can name")
    types = bytearray(256)
    starts, empty, slots, orders = list[int](), bytearray(), bytearray(), bytearray()
    for number, shape in enumerate(shapes, 1):
        types[ord(shape.kind)] = number
        states = [table.starts[patterns[column]] for column in shape.columns]
        starts += states
        empty += _runs([bool(table.next[state]) for state in states])
        noted = {column: slot for slot, column in enumerate(shape.reported, 1) if column is not None}
        for column in dict.fromkeys(column for order in shape.orders for column in order):
            noted.setdefault(column, max(_REPORTED, *noted.values()) + 1)
        if len(shape.reported) > _REPORTED or max(noted.values()) >= _SLOTS:
            raise ValueError("a record type with more values to note than there are slots")
        slots += bytes(noted.get(column, 0) for column in range(len(states)))
        orders += b"".join(bytes((number, noted[earlier], noted[later])) for earlier, later in shape.orders)
    traits = bytes(
        _NEEDS_REFERENCE * shape.needs_reference | _OPENS * shape.opens | _ADDS_NOTHING * shape.adds_nothing
        for shape in shapes
    )
    held = [
        *(array("B", table.classes), array("B", types), array("H", table.next), array("H", starts), array("B", empty)),
        *(array("B", slots), array("B", traits), array("B", orders), array("B", _DAY_MONTH_YEAR)),
    ]
    columns = len(starts) // len(shapes)
    sizes = (len(table.next), table.width, len(shapes), columns, len(orders) // 3, len(_DAY_MONTH_YEAR))
    return held, _Tables(*(each.buffer_info()[0] for each in held), *sizes)


def _runs(may_be_empty: Sequence[bool]) -> bytes:
    """For each column, how many from it on may be empty."""
    runs = [0]
    for empty in reversed(may_be_empty):
        runs.append(min(runs[-1] + 1, _MOST_COUNTED) if empty else 0)
    return bytes(reversed(runs[1:]))
