"""Judge the rows of one variant of the extract, one at a time.

Most rows are right, so each record type has one regular expression that accepts a whole right row in one call, its dates,
codes and number of columns included. A row that it does not accept is explained field by field, and the explanation decides.
Where compiled code is there, `read` accepts right rows by the same patterns in runs. Raises nothing for what a row can hold.
"""

from __future__ import annotations

import csv
import ctypes
import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum, auto
from itertools import groupby
from types import MappingProxyType
from typing import Final, NamedTuple

from gateway.domain.characters import byte_called, called
from gateway.validation.extract.compiled import RowReader, Shape
from gateway.validation.extract.fields import TEXT, character_fault, field_fault, field_pattern
from gateway.validation.extract.layout import CLAIMS, RECORD_TYPES, Field, Kind, Variant
from gateway.validation.extract.matches import MATCHED, RMS_NUMBER, RULE
from gateway.validation.nino_prefixes import FlowPrefixes

_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_COMMAS: Final = re.compile(r'[ \t"]*,[ \t",]*')
"""A row without a value in any of its columns."""
_NAMELESS: Final = frozenset({"G"})
"""Record types that belong to no claim."""
_NO_PATTERN: Final[tuple[str, re.Pattern[bytes], tuple[Order, ...]]] = ("", re.compile(rb"(?!)"), ())
_KEYS: Final = MappingProxyType({2: b"housing", 3: b"council_tax", 320: b"change"})
"""The fields that name what a record belongs to."""
_MATCH: Final = (RMS_NUMBER, RULE, MATCHED)


_PLAIN_QUOTED: Final = re.compile(rb'(?<![^,])"([^",]*+)"(?![^,])')
_COLUMN_ENDS: Final = rb"(?=[,\r\n]|\Z)"


class _Form(Enum):
    """How a column is matched: without a rule, as one of many optional whole numbers, or by a rule of its own."""

    PLAIN = auto()
    NUMBERS = auto()
    RULED = auto()


class Record(NamedTuple):
    """What later rows need of a row: its type, its two claim references, and the change it makes or refers to."""

    kind: str
    housing: bytes
    council_tax: bytes
    change: bytes


class Fault(NamedTuple):
    """A rule broken in a row; `field` is 0 where it is about the whole row, `detail` a sentence of this case alone."""

    code: str
    field: int
    detail: str = ""


class Order(NamedTuple):
    """Two dates of a record, by their fields or by their groups in a pattern: the later may not be before the earlier."""

    earlier: int
    later: int


@dataclass(frozen=True)
class Checks:
    """The fields that one record type uses, with their columns; the columns that it may not leave empty; its dates in order."""

    used: tuple[tuple[int, Field], ...]
    required: tuple[tuple[int, int], ...]
    orders: tuple[Order, ...]


class RowRules:
    """The rules of one variant. `read` takes runs of right rows where there is a `library` of compiled code, else it is None."""

    def __init__(self, variant: Variant, prefixes: FlowPrefixes, library: ctypes.CDLL | None = None) -> None:
        self.schema = variant.schema
        self._prefixes = prefixes
        self.width = len(variant.fields) + len(variant.unknown)
        self._record_type = variant.fields[0]
        self._columns = {field.number: column for column, field in enumerate(variant.fields)}
        self._checks = {kind: _checks(variant, kind) for kind in RECORD_TYPES}
        self._patterns = {
            kind.encode(): (kind, pattern := self._pattern(variant, kind), self._ordered(kind, pattern))
            for kind in RECORD_TYPES
        }
        self.read = None
        if library is not None:
            with suppress(ValueError):  # a layout that tables are too small for is read by Python
                self.read = RowReader(library, [self._shape(variant, kind) for kind in RECORD_TYPES]).read

    def accept(self, line: bytes) -> Record | None:
        """The record in a row that is right beyond doubt; None where it must be explained."""
        if b'"' in line:
            line = _unquote(line, self.width)
        kind, pattern, ordered = self._patterns.get(line[:1], _NO_PATTERN)
        match = pattern.fullmatch(line)
        if match is None:
            return None
        housing, council_tax, change = match.group("housing", "council_tax", "change")
        if not housing and not council_tax and kind not in _NAMELESS:
            return None
        for earlier, later in ordered:
            end = match[later]
            if end and (start := match[earlier]) and _backwards(start, end):
                return None
        return Record(kind, housing, council_tax, change)

    def explain(self, line: bytes) -> tuple[Record | None, list[Fault]]:
        """What is wrong with a row, and the record in it as far as its type and width are right."""
        try:
            text = line.decode("utf-8").removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError as error:
            return None, [Fault("extract-encoding", 0, _sentence(byte_called(line[error.start])))]
        if not text.strip(" \t"):
            return None, [Fault("extract-blank-row", 0)]
        if _COMMAS.fullmatch(text):
            return None, [Fault("extract-commas-alone", 0)]
        if control := _CONTROL.search(text):
            return None, [Fault("extract-control-character", 0, _sentence(called(control[0])))]
        values = _split(text)
        if values is None:
            return None, [Fault("extract-quotes", 0)]
        if len(values) != self.width:
            return None, [Fault("extract-column-count" if line.endswith(b"\n") else "extract-truncated", 0)]
        checks = self._checks.get(values[0])
        if checks is None:
            return None, [Fault("extract-record-type", 1, character_fault(self._record_type, values[0]) or "")]
        faults = list(self._faults(values, checks))
        keys = (values[1], values[2], values[self._columns[320]])
        return Record(values[0], *(key.encode() for key in keys)), faults

    def fields(self, line: bytes, numbers: Sequence[int]) -> tuple[str, ...] | None:
        """The texts of these fields in a row that is right, none of a field without a column; None where it is too wrong to have them."""
        line = line.rstrip(b"\r\n")
        # Most rows hold no quotation marks, and then nothing but the fields asked for need become text.
        values = line.split(b",") if b'"' not in line else _split_quoted(line)
        if len(values) != self.width:
            return None
        columns = (self._columns.get(number) for number in numbers)
        return tuple("" if column is None else values[column].decode("utf-8", "replace") for column in columns)

    def _faults(self, values: list[str], checks: Checks) -> list[Fault]:
        faults = [
            Fault("extract-required", number) for column, number in checks.required if not values[column].strip(" ")
        ]
        if values[0] not in _NAMELESS and not (values[1].strip(" ") or values[2].strip(" ")):
            faults.append(Fault("extract-reference-missing", 2))
        for column, field in checks.used:
            value = values[column]
            if value and value.strip(" "):
                code = field_fault(field, value, self._prefixes)
                if code is not None:
                    faults.append(Fault(code, field.number, character_fault(field, value) or ""))
        wrong = {fault.field for fault in faults}
        for order in checks.orders:
            start, end = (values[self._columns[number]].strip(" ").encode() for number in order)
            if start and end and not wrong & {*order} and _backwards(start, end):
                faults.append(Fault("extract-date-order", order.later))
        return sorted(faults, key=lambda fault: fault.field)

    def _ordered(self, kind: str, pattern: re.Pattern[bytes]) -> tuple[Order, ...]:
        """The groups of the type's pattern that hold dates in order."""
        return tuple(
            Order(*(pattern.groupindex[f"field{number}"] for number in order)) for order in self._checks[kind].orders
        )

    def _pattern(self, variant: Variant, kind: str) -> re.Pattern[bytes]:
        """One expression for a whole row.

        Columns come in long runs of one form. The commonest filling of a run is tried first: nothing at all in columns without
        a rule, unsigned whole numbers in those for numbers.
        """
        parts = [kind.encode()]
        for form, run in groupby(variant.fields[1:], lambda field: _form(field, kind)):
            fields = list(run)
            columns = b"".join(b"," + self._column(field, kind) for field in fields)
            if form is _Form.PLAIN:
                parts.append(rb"(?>%b%b|%b)" % (b"," * len(fields), _COLUMN_ENDS, columns))
            elif form is _Form.NUMBERS:
                parts.append(rb"(?>%b%b|%b)" % (rb",[0-9]{0,10}+" * len(fields), _COLUMN_ENDS, columns))
            else:
                parts.append(columns)
        if variant.unknown:
            parts.append((b"," + TEXT + b"*+") * len(variant.unknown))
        return re.compile(b"".join(parts) + rb"\r?\n?")

    def _shape(self, variant: Variant, kind: str) -> Shape:
        """What compiled code needs to know of a record type. Its columns are counted from the one behind the type."""
        plain = (TEXT + rb"*+", True)
        reported = (*_KEYS, *(_MATCH if kind == "R" else ()))
        behind = {number: column - 1 for number, column in self._columns.items()}
        return Shape(
            kind=kind,
            columns=[
                plain
                if _form(field, kind) is _Form.PLAIN
                else (field_pattern(field, self._prefixes), kind not in field.required_by)
                for field in variant.fields[1:]
            ]
            + [plain] * len(variant.unknown),
            reported=[behind.get(number) for number in reported],
            orders=[(behind[order.earlier], behind[order.later]) for order in self._checks[kind].orders],
            opens=kind in CLAIMS,
            needs_reference=kind not in _NAMELESS,
            adds_nothing=kind in _NAMELESS,
        )

    def _column(self, field: Field, kind: str) -> bytes:
        if _form(field, kind) is _Form.PLAIN:
            return TEXT + rb"*+"
        pattern = field_pattern(field, self._prefixes)
        # Not `(?:...)?+`: before 3.11.5 Python takes what a possessive group had matched when it failed for a match.
        optional = pattern if kind in field.required_by else b"(?>%b|)" % pattern
        name = _KEYS.get(field.number)
        if name is None and any(field.number in order for order in self._checks[kind].orders):
            name = b"field%d" % field.number
        return b"(?P<%b>%b)" % (name, optional) if name else optional


def _backwards(earlier: bytes, later: bytes) -> bool:
    """Whether the later of two valid dates, DD/MM/YYYY, is before the earlier."""
    return (later[6:], later[3:5], later[:2]) < (earlier[6:], earlier[3:5], earlier[:2])


def _unquote(line: bytes, width: int) -> bytes:
    """The row without its quotation marks where every quoted field is plain: no comma and no quotation mark in it.

    Quotation marks are left in any other row, and no pattern accepts those. In a row with every field quoted the marks
    and commas are counted: where there are as many as its columns need, none can stand inside a field.
    """
    body = line.removesuffix(b"\n").removesuffix(b"\r")
    if body.count(b'"') == 2 * width:
        between = width - 1
        every = body.startswith(b'"') and body.endswith(b'"') and body.count(b'","') == body.count(b",") == between
        return body[1:-1].replace(b'","', b",") if every else line
    return _PLAIN_QUOTED.sub(rb"\1", body)


def _sentence(named: str) -> str:
    return f"{named[0].upper()}{named[1:]} stands in it."


def _form(field: Field, kind: str) -> _Form:
    if field.number in _KEYS or kind in field.required_by:
        return _Form.RULED
    if kind not in field.used_by or field.kind is Kind.TEXT:
        return _Form.PLAIN
    return _Form.NUMBERS if field.kind is Kind.INTEGER else _Form.RULED


def _checks(variant: Variant, kind: str) -> Checks:
    columns = list(enumerate(variant.fields))[1:]
    return Checks(
        used=tuple(
            (column, field)
            for column, field in columns
            if _form(field, kind) is not _Form.PLAIN and kind in field.used_by
        ),
        required=tuple((column, field.number) for column, field in columns if kind in field.required_by),
        orders=tuple(
            Order(field.not_before, field.number)
            for _, field in columns
            if field.not_before is not None and kind in field.used_by
        ),
    )


def _split(text: str) -> list[str] | None:
    if '"' not in text:
        return text.split(",")
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error:
        return None


def _split_quoted(line: bytes) -> list[bytes]:
    return [value.encode() for value in _split(line.decode("utf-8", "replace")) or []]
