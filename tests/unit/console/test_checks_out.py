"""What leaves the pages of checks: the System Access Log and the schedules as CSV, LAST 1, 3 and 4 as PDF."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable

import pytest

from gateway.administration.looking import checking
from gateway.administration.looking.opening import TRANSFER, Wanted, open_payload
from gateway.domain.people import PersonRole
from gateway.ledger.queries import checks as queries
from gateway.ledger.queries import overview
from tests.fakes.browsers import Visitor, visitor, words
from tests.fakes.programs import Program, Said

QUARTER = 93 * 86_400.0


@pytest.fixture(scope="module")
def drawn(console: Program) -> str:
    """The id of a check that the supervisor has to explain; the operator opened something too."""
    ledger, settings = console.bench.ledger, console.site.settings
    for user, role in (("sup1", PersonRole.SUPERVISOR), ("chk1", PersonRole.CHECKING_OFFICER)):
        visitor(console, user, role)
    with ledger.read() as connection:
        claim = overview.transfers(connection)[0].id
    open_payload(settings, ledger, "op1", Wanted(TRANSFER, claim, "=1+1, said the caller"), (), random=ones)
    opened = open_payload(settings, ledger, "sup1", Wanted(TRANSFER, claim, "a telephone call"), (), random=bytes)
    assert opened.check is not None
    checking.acknowledge(ledger, "sup1", opened.check.id)
    return opened.check.id


def ones(count: int) -> bytes:
    """The highest number there is draws no check."""
    return b"\xff" * count


def lines(said: Said) -> list[dict[str, str]]:
    assert said.headers["content-type"] == "text/csv; charset=utf-8"
    assert said.headers["content-disposition"].startswith("attachment; filename=")
    return list(csv.DictReader(io.StringIO(said.body.decode(), newline="")))


def test_access_log_as_csv_is_ones_own_or_everybodys_page_by_page(
    console: Program, drawn: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queries.openings, "__defaults__", (None, None, None, 1))  # a page has one line
    everybody = lines(visitor(console, "chk1").get("/access-log.csv"))
    assert [(line["user"], line["reason"]) for line in everybody] == [
        ("sup1", "a telephone call"),
        ("op1", "'=1+1, said the caller"),
    ]
    own = visitor(console, "op1").get("/access-log.csv")
    assert [line["user"] for line in lines(own)] == ["op1"]
    assert visitor(console, "prt1", PersonRole.SECURE_PRINT).get("/access-log.csv").status == 403


def test_forms_are_offered_where_they_are_and_to_whom_they_are_for(console: Program, drawn: str) -> None:
    officer, opener = visitor(console, "chk1"), visitor(console, "sup1")
    assert "LAST 1 as PDF" not in words(officer.get(f"/checks/{drawn}"))
    assert officer.get(f"/checks/{drawn}/last-1.pdf").status == 422
    checking.explain(console.bench.ledger, "sup1", drawn, "the claim form")
    for person in (officer, opener):
        assert "LAST 1 as PDF" in words(person.get(f"/checks/{drawn}"))
        assert pdf(person, f"/checks/{drawn}/last-1.pdf") == f"LAST-1-{drawn}.pdf"
    assert visitor(console, "op1").get(f"/checks/{drawn}/last-1.pdf").status == 404, "another's"
    _, incident = checking.decide(console.bench.ledger, "chk1", drawn, supported=False, finding="no such form")
    assert incident is not None
    assert "LAST 3 as PDF" in words(officer.get(f"/checks/{drawn}"))
    assert pdf(officer, f"/checks/{drawn}/last-3.pdf") == f"LAST-3-{drawn}.pdf"
    assert "LAST 4 as PDF" in words(officer.get(f"/incidents/{incident.id}"))
    assert pdf(officer, f"/incidents/{incident.id}/last-4.pdf") == f"LAST-4-{incident.id}.pdf"
    assert visitor(console, "op1").get(f"/incidents/{incident.id}/last-4.pdf").status == 403
    schedule(console, drawn, officer.get)


def schedule(console: Program, check: str, get: Callable[[str], Said]) -> None:
    """The schedule of the quarter in which a check was decided, once it has ended."""
    assert lines(get("/checks/sample/support.csv")) == [], "of the quarter before"
    assert get("/checks/sample/other.csv").status == 404
    console.bench.now += QUARTER
    later = visitor(console, "chk1")
    (line,) = lines(later.get("/checks/sample/support.csv"))
    assert (line["id"], line["user"], line["supported"]) == (check, "sup1", "False")
    assert "name" not in line
    link = later.get("/checks/sample/support").body.decode().partition('href="/checks/sample/support.csv')[2]
    assert link.startswith("?quarter=20")


def pdf(person: Visitor, path: str) -> str:
    """A PDF's file name."""
    said = person.get(path)
    assert said.body.startswith(b"%PDF-")
    return said.headers["content-disposition"].partition('filename="')[2].rstrip('"')
