"""The secure print officer's daily report: the accesses that drew a management check on a day (UTC), on paper, once.

The rows are those of the day's checks as they were drawn; nothing that happens to a check changes them. A reprint takes a reason, is an
event, and says on the paper which copy it is. Needs the ledger, the domain and the settings alone. Raises RightMissing, ReportPrinted,
CheckMisplaced, UsageWrong, NotFound, and what the ledger raises.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Final

from gateway.administration.looking import paper
from gateway.administration.looking.acting import require_right, words
from gateway.domain.identity import to_text
from gateway.domain.people import Right, require_day
from gateway.errors import NotFound, UsageWrong
from gateway.ledger import incidents
from gateway.ledger.check_units import Check, Printing
from gateway.ledger.commitment import ERASED
from gateway.ledger.queries.checks import drawn_between, printings
from gateway.ledger.store import Connection, Ledger

_DAY: Final = 86_400.0
_LOOKED_BACK: Final = 550 * _DAY
"""Some 18 months: what is older is erased, or soon will be."""
_HEADINGS: Final = ("Time (UTC)", "User", "Name", "Opening unit", "Office", "Case", "System", "Check")


@dataclass(frozen=True)
class ReportRow:
    """A line of the report. `case_reference` is the National Insurance number of the account, or the case's reference."""

    at: str
    user: str
    name: str
    unit: str
    office: str
    case_reference: str
    system: str
    check: str


@dataclass(frozen=True)
class Printed:
    """A copy that may be printed now: it is recorded. `sha256` is that of `pdf`."""

    day: str
    copy: int
    rows: tuple[ReportRow, ...]
    pdf: bytes
    sha256: str


def days_to_print(connection: Connection, user: str, now: float) -> list[str]:
    """The days that have ended, drew a check and were not printed, the oldest first; of the last 18 months."""
    require_right(connection, user, Right.PRINT)
    done = {each.day for each in printings(connection)}
    today = to_text(now)[:10]
    drawn = {to_text(each.created)[:10] for each in drawn_between(connection, now - _LOOKED_BACK, now)}
    return sorted(day for day in drawn - done if day < today)


def print_report(ledger: Ledger, user: str, day: str) -> Printed:
    """The report of a day that has ended, for the one time that it is printed. ReportPrinted where it was."""
    return _print(ledger, user, day, None)


def reprint_report(ledger: Ledger, user: str, day: str, reason: str) -> Printed:
    """One more copy. CheckMisplaced where there is none yet."""
    return _print(ledger, user, day, words(reason, "reason"))


def printed(connection: Connection, user: str) -> list[Printing]:
    """Every copy that was printed, by day."""
    require_right(connection, user, Right.PRINT, Right.AUDIT)
    return printings(connection)


def _print(ledger: Ledger, user: str, day: str, reason: str | None) -> Printed:
    start = _ended(day, ledger.clock())
    with ledger.read() as connection:
        require_right(connection, user, Right.PRINT)
        found = drawn_between(connection, start, start + _DAY)
        copies = [each.copy for each in printings(connection, day)]
    if any(each.salt.startswith(ERASED) for each in found):
        raise NotFound(f"The time of the report of {day} is over: it was erased.")
    copy = 1 if reason is None else max(copies, default=1) + 1
    rows = tuple(map(_row, found))
    # Slow, and so before the ledger is locked: nothing is added to a day that has ended.
    content = paper.table(
        f"Management checks of {day}" + ("" if copy == 1 else f", copy {copy}"),
        "Printed once, for the Checking Officer: keep it locked away for 18 months, then destroy it."
        if copy == 1
        else f"A reprint: {reason}",
        _HEADINGS,
        [
            (row.at[11:19], row.user, row.name, row.unit, row.office, row.case_reference, row.system, row.check)
            for row in rows
        ],
    )
    digest = sha256(content).hexdigest()
    with ledger.write() as transaction:
        require_right(transaction.connection, user, Right.PRINT)
        incidents.note_printing(
            transaction, day, copy, user, count=len(rows), sha256=digest, reason="" if reason is None else reason
        )
    return Printed(day, copy, rows, content, digest)


def _ended(day: str, now: float) -> float:
    """A day's first moment; UsageWrong while the day lasts, and for what is no day."""
    today = datetime.fromtimestamp(now, UTC).date()
    found = date.fromisoformat(require_day(day, today))
    if found >= today:
        raise UsageWrong(f"{day} has not ended: its report is printed from {today + timedelta(days=1)} (UTC) on.")
    return datetime(found.year, found.month, found.day, tzinfo=UTC).timestamp()


def _row(check: Check) -> ReportRow:
    return ReportRow(
        at=to_text(check.created),
        user=check.user,
        name=check.name,
        unit=check.unit,
        office=check.office,
        case_reference=check.case_reference,
        system=check.system,
        check=check.id,
    )
