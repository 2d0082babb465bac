"""What an extract amounts to: records of each type, claims in payment, money; sums only, and nothing about any person.

For a person's eyes, so a row that cannot be read is counted and passed over: whether the file would be accepted, the
validator says. Raises DiskFailed where the file cannot be read, ConfigurationInvalid where the layout cannot,
ContentInvalid where the first row is no header of an extract. Memory does not grow with the file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO, Final

from gateway.errors import ContentInvalid, DiskFailed
from gateway.validation.extract.bounds import bounds, field_numbers
from gateway.validation.extract.layout import RECORD_TYPES, Layouts, load_layouts
from gateway.validation.extract.rows import RowRules
from gateway.validation.nino_prefixes import FlowPrefixes, load_prefixes

TOTALS: Final[Mapping[int, str]] = MappingProxyType(
    {
        43: "weekly_hb_entitlement",
        44: "weekly_ctb_entitlement",
        57: "weekly_eligible_rent",
        58: "weekly_eligible_council_tax",
        245: "hb_paid_since_last_extract",
        246: "ctb_paid_since_last_extract",
        228: "hb_backdated",
        235: "ctb_backdated",
        337: "payment_errors",
    }
)
"""The fields of money that are summed, in pence, and what their sums are called."""

_IN_PAYMENT: Final = "1"
_STATUS: Final = MappingProxyType({"hb": 33, "ctb": 34})
_USED: Final = (*_STATUS.values(), *TOTALS)
_LONGEST: Final = 64 * 1024
_MOST_DIGITS: Final = 11


@dataclass
class Summary:
    """Of one extract. `totals` are in pence, by the names of TOTALS; `unread` rows were too wrong to be counted."""

    columns: int
    records: int = 0
    unread: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    in_payment: Counter[str] = field(default_factory=Counter)
    totals: Counter[str] = field(default_factory=Counter)


def summarise(schema_root: Path, path: Path) -> Summary:
    """Read the whole file once, row by row."""
    layouts = load_layouts(schema_root)
    prefixes = load_prefixes(schema_root).in_flow("extract", allow_test_numbers=True)
    try:
        with path.open("rb", buffering=1024 * 1024) as file:
            return _sum(file, layouts, prefixes)
    except OSError as error:
        raise DiskFailed("The extract cannot be read.") from error


def _sum(file: BinaryIO, layouts: Layouts, prefixes: FlowPrefixes) -> Summary:
    lines = _lines(file)
    header = field_numbers(next(lines, b""))
    variant = layouts.read(header)
    if variant is None:
        raise ContentInvalid("The first row does not hold the field numbers of an extract.")
    rules = RowRules(variant, prefixes)
    used_by = {each.number: each.used_by for each in variant.fields}
    summary = Summary(columns=len(header))
    for line in lines:
        summary.records += 1
        values = rules.fields(line, (1, *_USED))
        if values is None or values[0] not in RECORD_TYPES:
            summary.unread += 1
            continue
        kind, found = values[0], dict(zip(_USED, values[1:], strict=True))
        summary.counts[kind] += 1
        for benefit, number in _STATUS.items():
            if kind in used_by.get(number, ()) and found[number] == _IN_PAYMENT:
                summary.in_payment[benefit] += 1
        for number, name in TOTALS.items():
            if kind in used_by.get(number, ()):
                summary.totals[name] += _pence(found[number])
    return summary


def _lines(file: BinaryIO) -> Iterator[bytes]:
    """The lines; one that is longer than any row comes in pieces, which are no rows either."""
    offset, end = bounds(file)
    file.seek(offset)
    while offset < end and (line := file.readline(min(_LONGEST, end - offset))):
        offset += len(line)
        yield line


def _pence(text: str) -> int:
    """A whole number as the extract writes it; 0 for anything else."""
    digits = text.removeprefix("-")
    return int(text) if digits.isascii() and digits.isdigit() and len(digits) < _MOST_DIGITS else 0
