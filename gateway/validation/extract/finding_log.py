"""Findings of an extract as they come, with their limits: the first ones are kept, all of them are counted.

Raises GiveUp where reading on makes no sense.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Final

from gateway.validation.contract import Finding, RecordException
from gateway.validation.exceptional import REMARKS
from gateway.validation.exceptions import OF_RECORD
from gateway.validation.extract.fields import MESSAGES

_EMPTY_ROWS: Final = frozenset({"extract-blank-row", "extract-commas-alone"})
"""What is said once of rows that follow each other."""


@dataclass(frozen=True)
class ExtractLimits:
    """How much extract is too much. Sizes are in bytes; `max_faults` ends the reading of a file that is wrong all over.

    `part` is as much as is worth a process of its own: a tenth of a second's reading. `max_remarks` is how often the same remark
    about the same field is told row by row.
    """

    max_bytes: int = 1024 * 1024 * 1024
    max_line: int = 64 * 1024
    max_rows: int = 2_000_000
    max_findings: int = 50
    max_faults: int = 10_000
    max_remarks: int = 100
    part: int = 8 * 1024 * 1024


class GiveUp(ValueError):
    """Reading on makes no sense; the finding that says why is written already."""


@dataclass
class FindingLog:
    """Findings as they come: the first ones kept, all of them counted; and those of records, while there are no others."""

    limits: ExtractLimits
    findings: list[Finding] = field(default_factory=list)
    exceptions: list[RecordException] = field(default_factory=list)
    total: int = 0
    _empty: tuple[str, int, int] | None = None
    _remarks: Counter[tuple[str, int]] = field(default_factory=Counter)
    _first_unlisted: dict[tuple[str, int], int] = field(default_factory=dict)

    def add(self, code: str, row: int, number: int = 0, detail: str = "") -> None:
        """Note a fault of a row, or of a field of it; `detail` is a sentence of this case alone."""
        if code in _EMPTY_ROWS and not detail:
            self._add_empty(code, row)
            return
        self.flush()
        if number and code in REMARKS:
            self._remarks[code, number] += 1
            if self._remarks[code, number] > self.limits.max_remarks:
                self._first_unlisted.setdefault((code, number), row)
                return
        self._tell(code, row, number, detail)

    def sum_up(self) -> None:
        """Note the remarks that were not told one by one, each with the number of its rows."""
        for (code, number), row in self._first_unlisted.items():
            more = self._remarks[code, number] - self.limits.max_remarks
            self._tell(code, row, number, f"From this row on it is so in {more} rows.")
        self._first_unlisted.clear()

    def _tell(self, code: str, row: int, number: int, detail: str) -> None:
        self._note(code, f"row {row}, field {number}" if number else f"row {row}", row, detail)
        if code in OF_RECORD and len(self.exceptions) == self.total - 1:
            message = f"{MESSAGES[code]} {detail}".rstrip()
            self.exceptions.append(RecordException(row, str(number) if number else "", code, message))

    def flush(self) -> None:
        """Note the empty rows that were met, now that it is known how many follow each other."""
        if self._empty is not None:
            (code, first, last), self._empty = self._empty, None
            where = f"row {first}" if first == last else f"rows {first} to {last}"
            self._note(code, where, last, f"Delete {where}." if code == "extract-commas-alone" else "")

    def _add_empty(self, code: str, row: int) -> None:
        if self._empty is not None and (self._empty[0], self._empty[2]) == (code, row - 1):
            self._empty = code, self._empty[1], row
        else:
            self.flush()
            self._empty = code, row, row

    def _note(self, code: str, where: str, row: int, detail: str) -> None:
        self.total += 1
        if len(self.findings) < self.limits.max_findings:
            self.findings.append(Finding(code, where, f"{MESSAGES[code]} {detail}".rstrip()))
        if self.total == self.limits.max_faults:
            self.add("extract-gave-up", row)
            raise GiveUp

    def end(self, code: str, row: int, detail: str = "") -> GiveUp:
        self.add(code, row, detail=detail)
        self.flush()
        return GiveUp(code)
