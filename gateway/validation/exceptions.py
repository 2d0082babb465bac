"""Which faults are exceptions of a record, and which are of the file; and when a file may travel with exceptions.

One table serves all flows. A fault is a record's where every other record can still be read right. A fault is the file's where
the file is unsafe or unreadable, its structure shifts, or its own counts and totals break. A code in neither table counts as
the file's; a test compares the tables with the validators' codes. Pure, and raises nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from gateway.validation.contract import RecordException, Report
from gateway.validation.exceptional import EXCEPTIONS, REMARKS
from gateway.validation.xml.codes import XmlCode

OF_RECORD: Final = EXCEPTIONS | frozenset(
    {
        # -- an extract's
        *("extract-record-type", "extract-required", "extract-reference-missing", "extract-reference-length"),
        *("extract-nino", "extract-date", "extract-date-order", "extract-integer", "extract-decimal", "extract-code"),
        *("extract-duplicate-claim", "extract-orphan", "extract-unknown-change"),
        # -- a document's, in an element within one of its records
        *(XmlCode.NINO, XmlCode.DATE, XmlCode.AMOUNT, XmlCode.COUNT, XmlCode.POSTCODE, XmlCode.CODE, XmlCode.VALUE),
        *(XmlCode.DATE_ORDER, XmlCode.COUNT_MISMATCH, XmlCode.TOTAL_MISMATCH, XmlCode.REPEATED),
    }
)
"""Faults of a value, or of how a record agrees with others."""

OF_FILE: Final = frozenset(
    {
        *("file-empty", "extract-too-large", "extract-too-many-rows", "extract-line-too-long", "extract-gave-up"),
        *("extract-header", "extract-separator", "extract-line-end", "extract-no-records", "extract-truncated"),
        *("extract-blank-row", "extract-commas-alone", "extract-column-count", "extract-quotes"),
        *("extract-encoding", "extract-control-character"),
        *(XmlCode.EMPTY, XmlCode.TOO_LARGE, XmlCode.COMPRESSED, XmlCode.ENCODING, XmlCode.DECLARATION, XmlCode.DOCTYPE),
        *(XmlCode.INSTRUCTION, XmlCode.TEXT_TOO_LONG, XmlCode.TOO_MANY_NODES, XmlCode.TOO_DEEP),
        *(XmlCode.TOO_MANY_ATTRIBUTES, XmlCode.NOT_WELLFORMED, XmlCode.NAMESPACE, XmlCode.ELEMENT_MISSING),
        *(XmlCode.ELEMENT_UNEXPECTED, XmlCode.ATTRIBUTE, XmlCode.SCHEMA, XmlCode.AUTHORITY),
        *(XmlCode.CONTENT_ALTERED, XmlCode.HISTORY),
    }
)
"""Faults of the file itself, which is then refused whatever its flow's settings say."""

MOST: Final = 10_000
"""Exceptions that are named; a file with more of them is refused."""
MOST_CHARACTERS: Final = 2 * 1024 * 1024
"""Of their texts together, so that a report stays a message."""
_AROUND: Final = 16


def named(exceptions: Sequence[RecordException]) -> tuple[RecordException, ...]:
    """The list, in the order of rows and fields; nothing where it is longer than a report may be."""
    if len(exceptions) > MOST or sum(map(_length, exceptions)) > MOST_CHARACTERS:
        return ()
    return tuple(sorted(exceptions, key=lambda each: each.row))


def all_of_records(codes: Iterable[str]) -> bool:
    """Whether none of these faults is the file's."""
    return all(code in OF_RECORD for code in codes)


def tolerated(report: Report, percent: float) -> bool:
    """Whether a file may travel with what is wrong in it: all of it is named, in fewer records than `percent` of them.

    Remarks do not count.
    """
    records = int(report.facts.get("records", "0"))
    faulty = {exception.row for exception in report.exceptions if exception.code not in REMARKS}
    return 0 < report.total == len(report.exceptions) and len(faulty) * 100 < percent * records


def _length(exception: RecordException) -> int:
    return len(exception.field) + len(exception.code) + len(exception.message) + _AROUND
