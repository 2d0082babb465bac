"""Reads one document into rows of the tables that `shape` derives from its schema.

The document is checked first, as at any site that receives it (`validator`); then its tree becomes rows. Where records have
exceptions that were agreed to be told and not refused, they are left out and the others are read. Raises DiskFailed, and
ConfigurationInvalid where the schemas cannot be used; whatever a document holds is a report. Why it is safe: see `guard`. No
finding quotes the document.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Final

from lxml import etree

from gateway.validation.contract import Finding, Report
from gateway.validation.xml.codes import DEFAULT_LIMITS, XmlCode, XmlLimits
from gateway.validation.xml.guard import XmlGuard
from gateway.validation.xml.shape import KEYS, ColumnShape, DocumentShape, Place, TableShape, ValueKind, shapes_of
from gateway.validation.xml.validator import XmlValidator

Value = str | int | bool | None
_KEYS: Final = len(KEYS)
_MOST_BITS: Final = 63
"""Of a whole number that every database keeps."""


@dataclass(frozen=True)
class DocumentRows:
    """What one document holds: by table, rows of `KEYS` and the table's columns. `document` is 0 in all of them.

    `records` were read, `set_aside` were left out for their exceptions.
    """

    schema: str
    rows: Mapping[str, Sequence[list[Value]]]
    records: int
    set_aside: int


class DocumentReader:
    """Reads documents of one flow. Not for two threads at once."""

    def __init__(
        self,
        schema_root: Path,
        flow: str,
        limits: XmlLimits = DEFAULT_LIMITS,
        *,
        allow_test_numbers: bool = False,
    ) -> None:
        self._guard = XmlGuard(limits)
        # First: it refuses a schema that is none, which `shapes_of` takes as it is.
        self._validator = XmlValidator(schema_root, flow, limits, allow_test_numbers=allow_test_numbers)
        self.shapes = shapes_of(schema_root, flow)
        self._by_namespace = {shape.namespace: _Filling(shape) for shape in self.shapes}

    def read(self, content: bytes, listed: Collection[int] | None = None) -> DocumentRows | Report:
        """The rows of a document, or the report that says why there are none.

        `listed` has the numbers of records, from 1 on, whose exceptions came with the document: those are left out, and what is
        found wrong in single records by now as well. None where no such list came: then all of the document has to be good.
        """
        report, root = self._validator.validate_tree(content)
        if not report.valid and (listed is None or not report.exceptions):
            return report
        left_out = {*(listed or ()), *(exception.row for exception in report.exceptions)}
        parsed = self._guard.parse(content) if root is None else root
        if isinstance(parsed, Finding):
            return Report(None, (parsed,), 1)
        return self._by_namespace[etree.QName(parsed).namespace or ""].fill(parsed, left_out)


class _Unfit(ValueError):
    """A value that the schema lets pass and no database keeps, at a line of the document."""


class _Filling:
    """The rows of documents of one version of a schema."""

    def __init__(self, shape: DocumentShape) -> None:
        self._shape = shape
        self._converters = {table.name: [_CONVERTERS[_kind(each)] for each in table.columns] for table in shape.tables}
        self._empty: dict[str, list[Value]] = {table.name: [None] * len(table.columns) for table in shape.tables}
        self._rows: dict[str, list[list[Value]]] = {}
        self._of_records = [table.name for table in shape.tables if table.parent is shape.root]

    def fill(self, root: etree._Element, left_out: Collection[int]) -> DocumentRows | Report:
        self._rows = {table.name: [] for table in self._shape.tables}
        set_aside = self._without(root, left_out) if left_out else 0
        try:
            self._row(root, self._shape.root, 0)
        except _Unfit as error:
            message = "A value is one that no database keeps: it is too large, or no day of the calendar."
            return Report(self._shape.schema, (Finding(XmlCode.VALUE.value, str(error), message),), 1)
        rows = {name: found for name, found in self._rows.items() if found}
        records = sum(len(rows.get(name, ())) for name in self._of_records)
        return DocumentRows(self._shape.schema, rows, records, set_aside)

    def _without(self, root: etree._Element, left_out: Collection[int]) -> int:
        """Take these records out of the document; how many there were."""
        places = self._shape.root.places
        records = [child for child in root if isinstance(places.get(str(child.tag)), TableShape)]
        gone = [record for number, record in enumerate(records, 1) if number in left_out]
        for record in gone:
            root.remove(record)
        return len(gone)

    def _row(self, element: etree._Element, table: TableShape, parent: int) -> None:
        rows = self._rows[table.name]
        number = len(rows) + 1
        row: list[Value] = [0, number, parent, *self._empty[table.name]]
        rows.append(row)
        converters = self._converters[table.name]
        if "" in table.places:
            try:
                row[-1] = converters[0](element.text or "")  # its only column
            except _UNFIT as error:
                raise _unfit(element, error) from error
        else:
            self._fill(element, table.places, row, converters, number)

    def _fill(
        self,
        element: etree._Element,
        places: Mapping[str, Place],
        row: list[Value],
        converters: Sequence[Callable[[str], Value]],
        number: int,
    ) -> None:
        """What is in an element that comes once goes into the row that it belongs to."""
        child = element
        try:  # once for all values of it: they are a hundred in a claim
            for child in element:
                place = places[child.tag]
                if isinstance(place, int):
                    row[_KEYS + place] = converters[place](child.text or "")
                elif isinstance(place, TableShape):
                    self._row(child, place, number)
                else:
                    self._fill(child, place, row, converters, number)
        except _UNFIT as error:
            raise _unfit(child, error) from error


_UNFIT: Final = (ValueError, InvalidOperation, OverflowError)


def _unfit(element: etree._Element, error: Exception) -> _Unfit:
    """Where it was found: deeper down, if somebody there said so."""
    return error if isinstance(error, _Unfit) else _Unfit(f"line {element.sourceline}")


def _kind(column: ColumnShape) -> str:
    return "collapsed" if column.kind is ValueKind.TEXT and column.collapsed else column.kind


def _collapsed(text: str) -> str:
    return " ".join(text.split())


def _integer(text: str) -> int:
    number = int(text)
    if number.bit_length() > _MOST_BITS:
        raise ValueError
    return number


def _decimal(text: str) -> str:
    """As it is written: a database reads decimal numbers, and nothing is lost on the way."""
    return f"{Decimal(text.strip()):f}"


def _date(text: str) -> str:
    return date.fromisoformat(text.strip()).isoformat()


def _time(text: str) -> str:
    """In UTC, which a time without a zone is taken for."""
    found = datetime.fromisoformat(text.strip())
    return (found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)).isoformat(" ")


def _boolean(text: str) -> bool:
    return text.strip() in ("true", "1")


_CONVERTERS: Final[Mapping[str, Callable[[str], Value]]] = {
    ValueKind.TEXT: str,
    "collapsed": _collapsed,
    ValueKind.INTEGER: _integer,
    ValueKind.DECIMAL: _decimal,
    ValueKind.DATE: _date,
    ValueKind.TIME: _time,
    ValueKind.BOOLEAN: _boolean,
}
