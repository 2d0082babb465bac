"""Inspection: `validate` and `deliver` have files scanned and read, and judge the reports by the same rules.

A file that ended its reader is not judged: it is tried again alone, and held at the third time. Every other report is
either good, or becomes an error whose text tells a benefits officer where to look. Raises what the scanner, the sandbox
and the ledger raise.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from gateway.domain.extract_name import FLOW as EXTRACT
from gateway.domain.extract_name import authorities_named
from gateway.domain.states import POISON_CLAIMS, Move
from gateway.domain.triage import FACTS
from gateway.errors import ContentInvalid, GatewayError, PoisonFile
from gateway.ledger.store import Transaction
from gateway.ledger.tables import TRANSFERS
from gateway.ledger.units import Transfer
from gateway.settings.model import SiteKind, kind_of
from gateway.spool.exception_lists import Listed
from gateway.stages.context import StageContext
from gateway.stages.scanning import Scanner, scan
from gateway.validation.contract import Finding, Report
from gateway.validation.exceptions import tolerated
from gateway.validation.sandbox.pool import Crash, Job, Sandbox

Result = Report | GatewayError | Crash
"""What came of inspecting a file: the report, the error of a scanner or of too many attempts, or the end of its reader."""

MAX_REASON: Final = 3800
"""Characters of findings that go into the ledger and into a receipt; a receipt's field holds 4,000."""

COUNTS: Final = ("exceptions", "faulty_records", *FACTS)
"""The facts that count a file's exceptions, the records that have any, and those of which triage says something."""

_LARGE: Final = 16 * 1024 * 1024
"""Bytes from which on a file is read apart from the small ones: reading an extract takes seconds, and a batch ends as one."""


class Batches:
    """Small files together and large ones together, in turns where both wait: neither kind waits for more than one batch
    of the other.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._small_last = False

    def next(self, rows: Sequence[Transfer]) -> list[Transfer]:
        """Which of these are read now: of the large ones, at most as many as there are workers."""
        small = [row for row in rows if row.size <= _LARGE]
        large = [row for row in rows if row.size > _LARGE][: self._workers]
        self._small_last = bool(small) and not (large and self._small_last)
        return small if self._small_last else large


class Inspection:
    """The files of waiting transfers in batches: each is shown to the virus scanner and read in the sandbox."""

    def __init__(self, context: StageContext, sandbox: Sandbox, scanner: Scanner | None) -> None:
        self._context = context
        self._sandbox = sandbox
        self._scanner = scanner
        self._batches = Batches(context.settings.daemon.workers)
        self._survived: set[int] = set()
        """Rows that this process has read and not yet moved, because the disk or the ledger failed afterwards: their
        claims say nothing against them.
        """

    def choose(self, waiting: Sequence[Transfer]) -> list[Transfer]:
        """The batch that is inspected now."""
        return self._batches.next(waiting)

    def results(self, rows: Sequence[Transfer], paths: Sequence[Path]) -> list[tuple[Transfer, Result]]:
        """Inspect the files at `paths`. Rows that wait for the scanner are left out."""
        scanned = scan(self._context, self._scanner, rows, paths)
        return [*scanned.refused, *self._read(scanned.clean)]

    def moved(self) -> None:
        """The results of all batches so far are recorded."""
        self._survived.clear()

    def _read(self, clean: Sequence[tuple[Transfer, Path]]) -> Iterator[tuple[Transfer, Result]]:
        """Claim the rows, and have each one's file read in the sandbox.

        Files whose earlier attempts broke off, since this process or its machine died, go one by one: so the count of
        attempts finds the file that did it.
        """
        survived = self._survived
        suspects = [pair for pair in clean if pair[0].claims > 0 and pair[0].key not in survived]
        others = [pair for pair in clean if pair not in suspects]
        for group in [*([pair] for pair in suspects), others]:
            poisoned = [pair for pair in group if pair[0].claims >= POISON_CLAIMS and pair[0].key not in survived]
            for row, _ in poisoned:
                yield row, PoisonFile(f"{row.claims} attempts to read it ended their reader")
            group = [pair for pair in group if pair not in poisoned]  # noqa: PLW2901 - what is left of it
            if not group:
                continue
            with self._context.ledger.write() as transaction:
                transaction.claim(TRANSFERS, [row.key for row, _ in group])
            by_key = {str(row.key): row for row, _ in group}
            for job, result in self._sandbox.validate(
                [Job(str(row.key), row.flow, path, row.size) for row, path in group]
            ):
                row = by_key[job.key]
                if not isinstance(result, Crash):
                    survived.add(row.key)
                    if row.claims:
                        # Its reader survived it: whatever ends this process from now on, it was not this file.
                        with self._context.ledger.write() as transaction:
                            transaction.set(TRANSFERS, [row.key], claims=0)
                yield row, result


def invalid(report: Report, percent: float = 0.0) -> ContentInvalid:
    """The error for a report with findings; its text names them all, as far as there is room.

    `percent` is the share of records from which on exceptions are refused: where that is the reason, the text says so.
    """
    text = describe(report)
    if percent and report.total == len(report.exceptions):
        text += f"\n{too_many(report, percent)}"
    return ContentInvalid(text, report.findings[0].code)


def too_many(report: Report, percent: float) -> str:
    """Why a file comes back although only single records of it are wrong."""
    of = f"{report.faulty} of {report.facts['records']} records"
    return f"Something is wrong with {of}: with fewer than {percent:g} percent it would have gone, with a list of them."


def describe(report: Report) -> str:
    """The findings as lines, at most MAX_REASON characters, never with a value."""
    lines = [f"{finding.where}: {finding.message} [{finding.code}]" for finding in report.findings]
    text = ""
    for number, line in enumerate(lines):
        if len(text) + len(line) > MAX_REASON - 60:
            return f"{text}... and {report.total - number} more"
        text += f"{line}\n"
    if report.total > len(lines):
        text += f"... and {report.total - len(lines)} more"
    return text.rstrip("\n")


def wrong_authority(report: Report, authority: str, same: Callable[[str, str], bool]) -> Report:
    """The report, with one more finding where the content names another authority; `same` compares two codes."""
    named = report.facts.get("authority")
    if named is None or same(named, authority):
        return report
    finding = Finding(
        "wrong-authority",
        "header",
        f"the file is about another authority than {authority}, from or to which it goes",
    )
    return replace(report, findings=(*report.findings, finding), total=report.total + 1)


def is_own_extract(flow: str, sender: str) -> bool:
    """Whether the file has to be about its sender: an extract that an authority sends."""
    return flow == EXTRACT and kind_of(sender) is SiteKind.LA


def other_authority(report: Report, flow: str, name: str, sender: str, same: Callable[[str, str], bool]) -> Report:
    """The report, with one more finding where the `name` of an extract says that it is not its sender's own."""
    others = [code for code in authorities_named(name) if not same(code, sender)]
    if not others or not is_own_extract(flow, sender):
        return report
    finding = Finding(
        "extract-authority",
        "name",
        f"the name says that it is the extract of {others[0]}, and {sender} sends it: an authority sends its own alone",
    )
    return replace(report, findings=(finding, *report.findings), total=report.total + 1)


def check_authorities(context: StageContext, row: Transfer, report: Report, *, authority: str, sender: str) -> Report:
    """The report, with more findings where the file is not about `authority` or, as an extract, not its sender's own."""
    report = wrong_authority(report, authority, context.is_same_authority)
    return other_authority(report, row.flow, row.name, sender, context.is_same_authority)


def goes_with_exceptions(context: StageContext, row: Transfer, report: Report) -> bool:
    """Whether the file goes on although the report has exceptions: few enough for its flow."""
    return bool(report.exceptions) and tolerated(report, context.settings.flows[row.flow].tolerated_percent)


def content_error(context: StageContext, row: Transfer, report: Report) -> ContentInvalid | None:
    """Why the file does not go on, by the report and by the exceptions that its flow tolerates; None where it does."""
    percent = context.settings.flows[row.flow].tolerated_percent
    return None if report.valid or tolerated(report, percent) else invalid(report, percent)


def facts_to_keep(report: Report) -> dict[str, str]:
    """What the ledger keeps of a file that goes on: its facts, with its COUNTS where it has exceptions."""
    if report.valid:
        return dict(report.facts)
    return {**report.facts, "exceptions": str(report.total), "faulty_records": str(report.faulty)}


def listed(report: Report) -> list[Listed]:
    """The exceptions as rows of the list for people."""
    return [Listed(each.row, each.field, each.code, each.message) for each in report.exceptions]


def record_crash(transaction: Transaction, row: Transfer, crash: Crash) -> None:
    """Record that a file ended its reader. Its state stays; its claim counts, and the third one holds the file."""
    transaction.record(
        "work.deferred", "transfer", row.id, row.partner, flow=row.flow, code="reader-died", reason=crash.reason
    )


def record_move(
    transaction: Transaction, row: Transfer, move: Move, code: str | None, facts: Mapping[str, str] | None = None
) -> int:
    """Record the event of a move that an inspection led to, with the first line of its reason, and with the COUNTS among
    `facts`; returns its sequence number.
    """
    counts: dict[str, Any] = {name: int(facts[name]) for name in COUNTS if name in facts} if facts else {}
    return transaction.record(
        f"transfer.{move.state}",
        "transfer",
        row.id,
        row.partner,
        flow=row.flow,
        code=code,
        reason=move.reason.partition("\n")[0] if move.reason else None,
        log={"bytes": row.size},
        **counts,
    )
