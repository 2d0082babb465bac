"""Rows of an extract as a table: the columns that have anything in these rows, by the names of their layout.

Only the rows that are asked for are kept; the others are counted. Raises Unshowable for what is no extract, OSError as the file does.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

from gateway.domain.shown import MOST_CASES, Case, Kind, Rows, Shown, page_name, to_bytes
from gateway.validation.extract.bounds import bounds, field_numbers
from gateway.validation.extract.layout import CLAIMS, Variant, load_layouts
from gateway.validation.showing.pieces import Pieces, plain
from gateway.validation.showing.unshowable import Unshowable

MOST_PAGES: Final = 40
ROWS: Final = 25
"""On a page."""
_LONGEST_LINE: Final = 64 << 10
_LONGEST_CELL: Final = 500
_FIRST: Final = 2
"""The file's first row has the numbers of fields."""
# Fields of the layout, by number.
_HOUSING, _COUNCIL_TAX, _CLAIMANT, _PARTNER = 2, 3, (8, None), (178, 284)
_STATES: Final = (33, 34)
_IN_PAYMENT: Final = "1"

Row = tuple[int, tuple[str, ...]]


def table(path: Path, pieces: Pieces, first: int, schema_root: Path) -> Shown:
    """The records from the number `first` on, which count from 1 without the first row."""
    with path.open("rb") as file:
        lines = _lines(file)
        layout = load_layouts(schema_root).read(field_numbers(next(lines, b"")))
        if layout is None:
            raise Unshowable("its first row is none of an extract")
        passed = sum(1 for _ in islice(lines, first - 1))
        chosen = [(_FIRST + first - 1 + at, _cells(line)) for at, line in enumerate(islice(lines, MOST_PAGES * ROWS))]
        total = passed + len(chosen) + sum(1 for _ in lines)
    if not chosen:
        raise Unshowable(f"it has {total:,} records")
    parts = [chosen[at : at + ROWS] for at in range(0, len(chosen), ROWS)]
    for number, part in enumerate(parts, 1):
        pieces.write(page_name(number, Kind.TABLE), to_bytes(_rows(part, layout)))
    claims = [_Claim(cells, layout) for _, cells in chosen if cells and cells[0] in CLAIMS]
    cases = [case for claim in claims for case in claim.cases()]
    reference = next((claim.reference for claim in claims if claim.reference), None)
    last = first + len(chosen) - 1
    return Shown(Kind.TABLE, len(parts), first, last, total, layout.schema, reference, tuple(cases[:MOST_CASES]))


def _lines(file: BinaryIO) -> Iterator[bytes]:
    begin, end = bounds(file)
    file.seek(begin)
    while begin < end and (line := file.readline(_LONGEST_LINE)):
        begin += len(line)
        if not line.endswith(b"\n") and begin < end:
            raise Unshowable("a row is longer than any extract needs")
        yield line


def _cells(line: bytes) -> tuple[str, ...]:
    text = line.decode("utf-8", "replace").rstrip("\r\n").replace("\0", "")
    try:
        found = next(csv.reader([text]), [])
    except csv.Error as error:
        raise Unshowable("a row is none of an extract") from error
    return tuple(plain(cell, _LONGEST_CELL) for cell in found)


def _rows(part: Sequence[Row], layout: Variant) -> Rows:
    widest = max(len(cells) for _, cells in part)
    used = [at for at in range(widest) if any(at < len(cells) and cells[at] for _, cells in part)]
    names = {at: f"{field.name} ({field.number})" for at, field in enumerate(layout.fields)}
    return Rows(
        tuple(names.get(at, f"Column {at + 1}") for at in used),
        tuple((number, tuple(cells[at] if at < len(cells) else "" for at in used)) for number, cells in part),
    )


class _Claim:
    """What a claim's row tells for a management check."""

    def __init__(self, cells: Sequence[str], layout: Variant) -> None:
        self._values = {field.number: cell for field, cell in zip(layout.fields, cells, strict=False) if cell}

    @property
    def reference(self) -> str | None:
        """The claim's, as the authority has it."""
        return self._values.get(_HOUSING) or self._values.get(_COUNCIL_TAX)

    def cases(self) -> Iterator[Case]:
        """The claimant, and the partner where there is one."""
        states = [self._values[number] for number in _STATES if number in self._values]
        in_payment = _IN_PAYMENT in states if states else None
        for born, died in (_CLAIMANT, _PARTNER):
            birth, death = self._day(born), None if died is None else self._day(died)
            if born == _CLAIMANT[0] or birth or death:
                yield Case(birth=birth, death=death, in_payment=in_payment)

    def _day(self, number: int) -> date | None:
        try:
            return datetime.strptime(self._values.get(number, ""), "%d/%m/%Y").date()  # noqa: DTZ007 - a day
        except ValueError:
            return None
