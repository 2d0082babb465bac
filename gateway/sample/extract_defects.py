"""The ways in which a sample extract can be wrong, each with the code of the finding that it must lead to.

A defect changes the lines of a valid extract in place. Lines hold no quotation marks, so a field is found by counting commas.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

Spoil = Callable[[list[bytes], Mapping[int, int]], None]
"""Takes the lines, the header first, and the column of each field number."""


@dataclass(frozen=True)
class Defect:
    code: str
    spoil: Spoil


def _set(kind: bytes, field: int, value: bytes) -> Spoil:
    """Puts a value into a field of the first record of a type."""

    def spoil(lines: list[bytes], columns: Mapping[int, int]) -> None:
        row = _first(lines, kind)
        values = lines[row].split(b",")
        values[columns[field]] = value
        lines[row] = b",".join(values)

    return spoil


def _first(lines: list[bytes], kind: bytes) -> int:
    return next(row for row, line in enumerate(lines) if line.startswith(kind + b","))


def _truncate(lines: list[bytes], _columns: Mapping[int, int]) -> None:
    lines[-1] = lines[-1][: len(lines[-1]) // 2]


def _drop_column(lines: list[bytes], _columns: Mapping[int, int]) -> None:
    row = _first(lines, b"D")
    lines[row] = lines[row].replace(b",", b"", 1)


def _unknown_type(lines: list[bytes], _columns: Mapping[int, int]) -> None:
    row = _first(lines, b"P")
    lines[row] = b"Z" + lines[row][1:]


def _orphan(lines: list[bytes], columns: Mapping[int, int]) -> None:
    for field in (2, 3):
        _set(b"S", field, b"99999999")(lines, columns)


def _repeat_claim(lines: list[bytes], _columns: Mapping[int, int]) -> None:
    lines.append(lines[_first(lines, b"D")])


def _add_column(lines: list[bytes], _columns: Mapping[int, int]) -> None:
    lines[:] = [line.replace(b"\r\n", b",342\r\n" if row == 0 else b",\r\n") for row, line in enumerate(lines)]


def _wrong_header(lines: list[bytes], _columns: Mapping[int, int]) -> None:
    lines[0] = lines[0].replace(b",33,34,", b",34,33,", 1)


DEFECTS: Final[Mapping[str, Defect]] = MappingProxyType(
    {
        "truncated": Defect("extract-truncated", _truncate),
        "date": Defect("extract-date", _set(b"D", 8, b"31/02/1956")),
        "date-order": Defect("extract-date-order", _set(b"E", 340, b"01/01/1990")),
        "nino": Defect("extract-nino", _set(b"D", 4, b"QQ12345")),
        "nino-administrative": Defect("nino-administrative", _set(b"D", 4, b"MW123456A")),
        "nino-no-suffix": Defect("nino-no-suffix", _set(b"D", 4, b"QQ123456")),
        "postcode": Defect("extract-postcode", _set(b"D", 11, b"ZZ1 1CA")),
        "postcode-space": Defect("postcode-space", _set(b"D", 11, b"ZZ11AA")),
        "postcode-case": Defect("postcode-case", _set(b"D", 11, b"zz1 1aa")),
        "extra-columns": Defect("extract-extra-columns", _add_column),
        "code": Defect("extract-code", _set(b"D", 33, b"7")),
        "amount": Defect("extract-integer", _set(b"D", 43, b"87.50")),
        "column-count": Defect("extract-column-count", _drop_column),
        "unknown-record-type": Defect("extract-record-type", _unknown_type),
        "orphan-sub-record": Defect("extract-orphan", _orphan),
        "duplicate-claim": Defect("extract-duplicate-claim", _repeat_claim),
        "e-without-t": Defect("extract-unknown-change", _set(b"E", 320, b"T999999999")),
        "header": Defect("extract-header", _wrong_header),
        "encoding": Defect("extract-encoding", _set(b"D", 208, b"Ynys M\xf4n")),
    }
)
