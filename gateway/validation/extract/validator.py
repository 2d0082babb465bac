"""Check a Single Housing Benefit Extract row by row, in memory that does not grow with the length of its rows.

The first row decides the version and the variant of the layout. Every other row is judged by its record type, and at the end
by whether the claim or change that it belongs to came. Compiled code, where there is some, passes over runs of right rows
(`compiled`). Several processes read a long file in parts first. Where one of them, or
two together, find a fault, their results are dropped and the file is read in order. Findings name row and field number, never
a value; where all of them concern single records they are exceptions as well. Only the name of an extract names its
authority, as far as is publicly known: stages look at that.

Raises DiskFailed where the file cannot be read, ConfigurationInvalid where the layout cannot, and nothing for what a file
holds: length of a row, length of a reference, number of rows and number of faults are all bounded.
"""

from __future__ import annotations

import ctypes
import json
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final

from gateway.errors import DiskFailed
from gateway.validation.contract import Report
from gateway.validation.exceptions import named
from gateway.validation.extract.bounds import field_numbers, first_row_fault
from gateway.validation.extract.finding_log import ExtractLimits, FindingLog, GiveUp
from gateway.validation.extract.layout import Variant, load_layouts
from gateway.validation.extract.lines import Lines
from gateway.validation.extract.matches import MATCHED, RMS_NUMBER, RULE
from gateway.validation.extract.rows import RowRules
from gateway.validation.extract.tally import Tally
from gateway.validation.nino_prefixes import load_prefixes
from gateway.validation.sandbox.forked import Forked

FLOW: Final = "extract"
_DEFAULT_LIMITS: Final = ExtractLimits()
_MATCH: Final = (RMS_NUMBER, RULE, MATCHED)
_MOST_NUMBERS_TOLD: Final = 12


class ExtractValidator:
    """A `Validator` for extracts. `schema_root` is the directory that holds `extract/VERSION/layout.tsv`.

    `allow_test_numbers` accepts National Insurance numbers of the specimen prefix QQ, as samples have them. With more
    `processors` than one, a long file is read by as many processes, copies of this one, which then may have no threads.
    `library` is the compiled code; without it everything is slower, and nothing else is different.
    """

    def __init__(
        self,
        schema_root: Path,
        limits: ExtractLimits = _DEFAULT_LIMITS,
        *,
        allow_test_numbers: bool = False,
        processors: int = 1,
        library: ctypes.CDLL | None = None,
    ) -> None:
        self._limits = limits
        self._processors = processors
        self._library = library
        self._prefixes = load_prefixes(schema_root).in_flow(FLOW, allow_test_numbers=allow_test_numbers)
        self._layouts = load_layouts(schema_root)
        self._rules: dict[tuple[str, ...], RowRules] = {}

    def validate(self, path: Path) -> Report:
        """Every fault by row and field.

        Facts: `records` counts the rows after the first; `counts` those of each type (JSON), and `rms` lists what R records
        resolve, where nothing but single records is wrong.
        """
        try:
            size = path.stat().st_size
            parts = min(self._processors, size // self._limits.part)
            report = self._read_in_parts(path, parts) if parts > 1 else None
            return self._read_in_order(path) if report is None else report
        except OSError as error:
            raise DiskFailed("The file to validate cannot be read.") from error

    def _read_in_order(self, path: Path) -> Report:
        log, tally = FindingLog(self._limits), Tally()
        schema: str | None = None
        try:
            with path.open("rb", buffering=0) as file:
                rows = Lines(file, self._limits, log, tally)
                rules = self._choose(rows.first(self._layouts.headers), log)
                schema = rules.schema
                self._judge(rows, rules, log, tally)
            if tally.rows == 0:
                log.add("extract-no-records", 1)
            for loose_end in tally.links.loose_ends():
                log.add(*loose_end)
            log.sum_up()
        except GiveUp:
            pass
        return _report(log, tally, schema)

    def _read_in_parts(self, path: Path, parts: int) -> Report | None:
        """The report on a file that is right from end to end; None for any other, and where that could not be found out."""
        try:
            with path.open("rb", buffering=0) as file:
                log = FindingLog(replace(self._limits, max_faults=1))
                rows = Lines(file, self._limits, log, Tally())
                rules = self._choose(rows.first(self._layouts.headers), log)
                begin, end = rows.offset, rows.bounds.end
            cuts = [begin + (end - begin) * part // parts for part in range(parts + 1)]
            own, *others = pairwise(cuts)
            with ExitStack() as stack:
                copies = [
                    stack.enter_context(closing(Forked(partial(self._part_as_bytes, path, rules, *part))))
                    for part in others
                ]
                tally = self._part(path, rules, *own)
                for copy in copies:
                    if (answer := copy.answer()) is None or not tally.join(answer):
                        return None
        except (GiveUp, OSError):
            return None
        right = 0 < tally.rows <= self._limits.max_rows and next(tally.links.loose_ends(), None) is None
        return _report(log, tally, rules.schema) if right else None

    def _part_as_bytes(self, path: Path, rules: RowRules, start: int, end: int) -> bytes:
        return self._part(path, rules, start, end).plain()

    def _part(self, path: Path, rules: RowRules, start: int, end: int) -> Tally:
        """The tally of the rows that begin from `start` on and before `end`; GiveUp where one of them is not right."""
        log, tally = FindingLog(replace(self._limits, max_faults=1)), Tally()
        with path.open("rb", buffering=0) as file:
            rows = Lines(file, self._limits, log, tally)
            rows.confine(start, end)
            self._judge(rows, rules, log, tally)
        return tally

    def _judge(self, rows: Lines, rules: RowRules, log: FindingLog, tally: Tally) -> None:
        """Runs of right rows, and between them rows one by one."""
        links, counts, matches = tally.links, tally.counts, tally.matches
        while True:
            for row, right, match in rows.run(rules):
                if match:
                    matches.add(*(text.decode() for text in match))
                if (clash := links.add(right, row)) is not None:
                    tally.rows = row - 1
                    log.add(*clash)
            if (next_row := rows.next()) is None:
                break
            row, line = next_row
            record, wrong = rules.accept(line), frozenset[int]()
            if record is None:
                record, faults = rules.explain(line)
                for fault in faults:
                    log.add(fault.code, row, fault.field, fault.detail)
                if record is None or any(fault.code == "extract-reference-length" for fault in faults):
                    continue
                wrong = frozenset(fault.field for fault in faults)
            counts[record.kind] += 1
            if record.kind == "R" and (fields := rules.fields(line, _MATCH)) is not None:
                matches.add(*("" if number in wrong else text for number, text in zip(_MATCH, fields, strict=True)))
            if (clash := links.add(record, row)) is not None:
                log.add(*clash)
        log.flush()

    def _choose(self, first: bytes, log: FindingLog) -> RowRules:
        """The rules of the variant that the first row announces."""
        if not first:
            raise log.end("file-empty", 1)
        header = field_numbers(first)
        if header in self._rules:
            return self._rules[header]
        variant = self._layouts.read(header)
        if variant is None:
            code, detail = first_row_fault(first, self._layouts.headers)
            raise log.end(code, 1, detail)
        rules = RowRules(variant, self._prefixes, self._library)
        if variant.unknown:
            log.add("extract-extra-columns", 1, detail=_told(variant))
        else:
            self._rules[header] = rules  # of the known ones there are few, of the others as many as people send
        return rules


def _told(variant: Variant) -> str:
    """Which columns nobody knows."""
    numbers = ", ".join(variant.unknown[:_MOST_NUMBERS_TOLD])
    more = len(variant.unknown) - _MOST_NUMBERS_TOLD
    return f"Their numbers: {numbers}{f' and {more} more' if more > 0 else ''}."


def _report(log: FindingLog, tally: Tally, schema: str | None) -> Report:
    facts = {"records": str(tally.rows)}
    exceptions = named(log.exceptions) if len(log.exceptions) == log.total else ()
    if exceptions or not log.total:
        counts = json.dumps(dict(sorted(tally.counts.items())), separators=(",", ":"))
        facts |= {"counts": counts} | tally.matches.facts()
    return Report(schema, tuple(log.findings), log.total, facts, exceptions)
