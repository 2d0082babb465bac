"""The day's report of checks goes on paper once; a reprint takes a reason, is an event, and says which copy it is."""

from __future__ import annotations

import hashlib
import io

import pikepdf
import pytest
from sqlalchemy import insert

from gateway.administration.looking import checking, paper, reporting
from gateway.domain.identity import to_text
from gateway.errors import CheckMisplaced, ImpossibleMove, ReportPrinted, RightMissing, UsageWrong
from gateway.ledger.queries.checks import printings
from gateway.ledger.queries.events import events_of
from gateway.ledger.tables import PRINTINGS
from tests.unit.administration.looking.conftest import CASE, Office

DAY = 86_400.0


@pytest.fixture
def day(office: Office) -> str:
    """A day that has ended, with two checks."""
    found = to_text(office.now)[:10]
    for user in ("op1", "both"):
        office.check(user)
    office.open("op2")
    office.now += DAY
    return found


def test_the_report_has_the_columns_of_the_guide(office: Office, day: str) -> None:
    printed = reporting.print_report(office.ledger, "sp1", day)
    assert [(row.user, row.name, row.unit, row.office, row.case_reference, row.system) for row in printed.rows] == [
        (user, f"Name of {user}", f"Unit of {user}", "E09000030", CASE, "console") for user in ("op1", "both")
    ]
    assert all(row.at.startswith(day) for row in printed.rows)
    assert hashlib.sha256(printed.pdf).hexdigest() == printed.sha256
    with pikepdf.open(io.BytesIO(printed.pdf)) as found:
        assert str(found.docinfo["/Title"]) == f"Management checks of {day}"
        assert len(found.pages) == 1


def test_a_report_is_printed_once_and_its_reprint_is_recorded(office: Office, day: str) -> None:
    with office.ledger.read() as connection:
        assert reporting.days_to_print(connection, "sp1", office.now) == [day]
    with pytest.raises(CheckMisplaced):
        reporting.reprint_report(office.ledger, "sp1", day, "the printer jammed")
    first = reporting.print_report(office.ledger, "sp1", day)
    with pytest.raises(ReportPrinted):
        reporting.print_report(office.ledger, "sp1", day)
    with pytest.raises(UsageWrong):
        reporting.reprint_report(office.ledger, "sp1", day, " ")
    second = reporting.reprint_report(office.ledger, "sp1", day, "the printer jammed")
    assert (first.copy, second.copy, second.rows) == (1, 2, first.rows)
    assert second.sha256 != first.sha256
    with office.ledger.read() as connection:
        assert reporting.days_to_print(connection, "sp1", office.now) == []
        assert [(each.copy, each.checks, each.sha256) for each in reporting.printed(connection, "aud1")] == [
            (1, 2, first.sha256),
            (2, 2, second.sha256),
        ]
        said = [event.event for event in events_of(connection, [f"{day}.1", f"{day}.2"])]
    assert said == ["report.printed", "report.reprinted"]


@pytest.mark.parametrize(("copy", "reason"), [(1, ""), (2, ""), (0, "reason")])
def test_the_ledger_itself_refuses_a_second_printing(office: Office, day: str, copy: int, reason: str) -> None:
    reporting.print_report(office.ledger, "sp1", day)
    row = {"id": "other", "day": day, "copy": copy, "user": "sp1", "checks": 2, "sha256": "", "reason": reason}
    with pytest.raises(ImpossibleMove), office.ledger.write() as transaction:
        transaction.connection.execute(insert(PRINTINGS).values(**row, created=0.0, updated=0.0))
    with office.ledger.read() as connection:
        assert len(printings(connection)) == 1


@pytest.mark.parametrize("user", ["op1", "co1", "sup1", "adm1", "aud1", "nobody"])
def test_secure_print_alone_prints(office: Office, day: str, user: str) -> None:
    with pytest.raises(RightMissing):
        reporting.print_report(office.ledger, user, day)


def test_a_day_is_printed_once_it_has_ended(office: Office, day: str) -> None:
    for other in (to_text(office.now)[:10], "2090-01-01", "yesterday"):
        with pytest.raises(UsageWrong):
            reporting.print_report(office.ledger, "sp1", other)


def test_a_day_without_checks_has_a_report_too(office: Office, day: str) -> None:
    assert reporting.print_report(office.ledger, "sp1", "2026-11-01").rows == ()


def test_what_happens_to_a_check_afterwards_changes_no_report(office: Office, day: str) -> None:
    first = reporting.print_report(office.ledger, "sp1", day)
    for row in first.rows:
        checking.acknowledge(office.ledger, row.user, row.check)
    assert reporting.reprint_report(office.ledger, "sp1", day, "lost in the post").rows == first.rows


def test_a_welsh_name_is_readable_on_paper() -> None:
    """The font lacks the accented w and y of Welsh; a box would take the letter away."""
    written, shown = (
        paper.table("Title", "below", ["Name"], [[name]]) for name in ("Siân Ŵyn-Ŷsgol", "Siân Wyn-Ysgol")
    )
    assert written == shown
    assert written != paper.table("Title", "below", ["Name"], [["Sian Wyn-Ysgol"]])
