"""Check a Single Housing Benefit Extract row by row, in memory that does not grow with the length of its rows.

The first row decides between the 314-column and the 316-column variant; every other row is judged by its record type, and at the end
by whether the claim or change it belongs to came. Findings name row and field number, never a value. The extract names no
authority in its rows as far as is publicly known (its file name does), so none is checked here.

Raises DiskFailed where the file cannot be read, ConfigurationInvalid where the layout cannot, and nothing for what a file
holds: length of a row, length of a reference, number of rows and number of faults are all bounded.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from gateway.errors import DiskFailed
from gateway.validation.contract import Finding, Report
from gateway.validation.extract_fields import MESSAGES
from gateway.validation.extract_layout import VERSION, load_variants
from gateway.validation.extract_links import Links
from gateway.validation.extract_matches import MATCHED, RMS_NUMBER, RULE, Matches
from gateway.validation.extract_rows import RowRules

SCHEMA: Final = f"extract/{VERSION}"
_READ_AHEAD: Final = 1024 * 1024
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True)
class ExtractLimits:
    """How much extract is too much. Sizes are in bytes; `max_faults` ends the reading of a file that is wrong all over."""

    max_bytes: int = 1024 * 1024 * 1024
    max_line: int = 64 * 1024
    max_rows: int = 2_000_000
    max_findings: int = 50
    max_faults: int = 10_000


class _GiveUp(ValueError):
    """Reading on makes no sense; the finding that says why is written already."""


@dataclass
class _Log:
    """Findings as they come: the first ones kept, all of them counted."""

    limits: ExtractLimits
    findings: list[Finding] = field(default_factory=list)
    total: int = 0

    def add(self, code: str, row: int, number: int = 0) -> None:
        where = f"row {row}, field {number}" if number else f"row {row}"
        self.total += 1
        if len(self.findings) < self.limits.max_findings:
            self.findings.append(Finding(code, where, MESSAGES[code]))
        if self.total == self.limits.max_faults:
            self.add("extract-gave-up", row)
            raise _GiveUp

    def end(self, code: str, row: int) -> _GiveUp:
        self.add(code, row)
        return _GiveUp(code)


class ExtractValidator:
    """A `Validator` for extracts. `schema_root` is the directory that holds `extract/1.0/layout.tsv`.

    `allow_test_numbers` accepts National Insurance numbers of the specimen prefix QQ, as samples have them.
    """

    def __init__(
        self, schema_root: Path, limits: ExtractLimits = ExtractLimits(), *, allow_test_numbers: bool = False
    ) -> None:
        self._limits = limits
        self._allow_test_numbers = allow_test_numbers
        self._variants = {variant.header: variant for variant in load_variants(schema_root)}
        self._rules: dict[tuple[str, ...], RowRules] = {}

    def validate(self, path: Path) -> Report:
        """Every fault by row and field.

        Facts: `records` counts the rows after the first, `counts` those of each type (JSON), `rms` lists what R records
        resolve.
        """
        log = _Log(self._limits)
        rows = _Rows(self._limits, log)
        matches = Matches()
        counts: Counter[str] = Counter()
        try:
            with path.open("rb", buffering=_READ_AHEAD) as file:
                self._read(rows.of(file), log, matches, counts)
        except _GiveUp:
            pass
        except OSError as error:
            raise DiskFailed("The file to validate cannot be read.") from error
        facts = {"records": str(max(0, rows.number - 1))}
        if not log.total:
            facts |= {"counts": json.dumps(dict(sorted(counts.items())), separators=(",", ":"))} | matches.facts()
        return Report(SCHEMA, tuple(log.findings), log.total, facts)

    def _read(self, lines: Iterator[tuple[int, bytes]], log: _Log, matches: Matches, counts: Counter[str]) -> None:
        rules = self._choose(next(lines, (1, b""))[1], log)
        links = Links()
        row = 1
        for row, line in lines:
            record = rules.accept(line)
            if record is None:
                record, faults = rules.explain(line)
                for fault in faults:
                    log.add(fault.code, row, fault.field)
                if record is None or any(fault.code == "extract-reference-length" for fault in faults):
                    continue
            counts[record.kind] += 1
            if record.kind == "R" and (fields := rules.fields(line, (RMS_NUMBER, RULE, MATCHED))) is not None:
                matches.add(*fields)
            clash = links.add(record, row)
            if clash is not None:
                log.add(*clash)
        if row == 1:
            log.add("extract-no-records", 1)
        for loose_end in links.loose_ends():
            log.add(*loose_end)

    def _choose(self, first: bytes, log: _Log) -> RowRules:
        """The rules of the variant that the first row announces."""
        if not first:
            raise log.end("file-empty", 1)
        if first.startswith(_BYTE_ORDER_MARK):
            raise log.end("extract-encoding", 1)
        header = tuple(first.rstrip(b"\r\n").replace(b'"', b"").decode("ascii", "replace").split(","))
        variant = self._variants.get(header)
        if variant is None:
            raise log.end("extract-header", 1)
        if header not in self._rules:
            self._rules[header] = RowRules(variant, allow_test_numbers=self._allow_test_numbers)
        return self._rules[header]


class _Rows:
    """The lines of a file with their numbers, none longer than the limit, and how many there were."""

    def __init__(self, limits: ExtractLimits, log: _Log) -> None:
        self._limits = limits
        self._log = log
        self.number = 0

    def of(self, file: BinaryIO) -> Iterator[tuple[int, bytes]]:
        if file.seek(0, 2) > self._limits.max_bytes:
            raise self._log.end("extract-too-large", 1)
        file.seek(0)
        longest = self._limits.max_line
        while line := file.readline(longest + 1):
            self.number += 1
            if len(line) > longest:
                raise self._log.end("extract-line-too-long", self.number)
            if self.number - 1 > self._limits.max_rows:
                raise self._log.end("extract-too-many-rows", self.number)
            yield self.number, line
