"""What the guide lets a site keep for 14 months, 18 months and 5 years is gone then, from every byte; and the audit still holds."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.administration.looking import checking, forms, investigating, reporting
from gateway.administration.looking.opening import TRANSFER, Wanted, open_payload
from gateway.administration.people import roster
from gateway.administration.retention import certificate, holding
from gateway.domain.checks import CaseFacts
from gateway.domain.identity import to_text
from gateway.domain.incidents import FormKind, IncidentKind, IncidentOutcome
from gateway.errors import NotFound
from gateway.ledger.queries.checks import find_check
from gateway.ledger.store import Ledger
from gateway.settings.home import Home
from tests.fakes.two_ledgers import PretendedPgp, two_ledgers
from tests.unit.administration.looking.conftest import SENSITIVE, WHO, add_staff
from tests.unit.administration.retention.conftest import NOTHING, Past

MONTH = 31 * 86_400.0
LOG = {"Qreason", "Qcase", "Qplain", "Qlocal", "Qtrail", "Qclosed", "Qform"}
CHECK = {"Qexplains", "Qfinds", "Qremarks", "Qreprints", "Qnamed"}
CENTRAL = {"Qcentral"}
KEPT = {"Qwaits"}
"""Of an opening whose check nobody has decided."""


@pytest.fixture
def past(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Past, str]]:
    """A site with all that looking leaves behind, and the id of its decided check."""
    monkeypatch.setattr(certificate, "open_pgp", lambda settings: PretendedPgp(settings.site.code))
    with two_ledgers(tmp_path / "sites") as pair:
        for bench in (pair.dwp, pair.la):
            bench.configure()
            bench.now = time.time()
        claim = pair.dwp.submit("claim.xml", b"claim")
        pair.work()
        ledger = pair.la.ledger
        add_staff(ledger)
        roster.change(ledger, "op1", None, roster.Details(name="Qnamed"), WHO)

        def look(user: str, cases: tuple[CaseFacts, ...], reason: str, case: str) -> str:
            wanted = Wanted(TRANSFER, claim, reason, case_reference=case)
            pair.la.now += 1.0
            # The highest number there is draws no check of an ordinary case; ids differ by their times and the count of them.
            new = iter([b"\xff" * 10, b"\xff" * 8, b"\xfe" * 10])
            opened = open_payload(pair.la.settings, ledger, user, wanted, cases, random=lambda _count: next(new))
            return "" if opened.check is None else opened.check.id

        look("op2", (), "Qplain", "case")
        check = look("op1", SENSITIVE, "Qreason", "Qcase")
        checking.acknowledge(ledger, "op1", check)
        checking.explain(ledger, "op1", check, "Qexplains")
        checking.decide(ledger, "co1", check, supported=True, finding="Qfinds")
        checking.validate(ledger, "sup1", check, agreed=True, remark="Qremarks")
        roster.change(ledger, "op1", None, roster.Details(name="Assessor"), WHO)
        look("both", SENSITIVE, "Qwaits", "case")
        local = investigating.open_incident(ledger, "sup1", IncidentKind.OTHER, "Qlocal")
        investigating.add_entry(ledger, "sup1", local.id, "Qtrail")
        investigating.close(ledger, "sup1", local.id, IncidentOutcome.MISTAKE, "Qclosed")
        central = investigating.open_incident(ledger, "sup1", IncidentKind.LOSS, "Qcentral", central=True)
        investigating.close(ledger, "sup1", central.id, IncidentOutcome.MISUSE, "closed")
        forms.fill_in(ledger, "op2", FormKind.SYSTEM_FAULT, {"when": "today", "what": "Qform", "doing": "nothing"})
        day = to_text(pair.la.now)[:10]
        pair.la.now += 86_400.0
        reporting.print_report(ledger, "sp1", day)
        reporting.reprint_report(ledger, "sp1", day, "Qreprints")
        ledger.close()
        pair.dwp.ledger.close()
        words = dict.fromkeys(sorted(LOG | CHECK | CENTRAL | KEPT))
        yield Past(Home(pair.la.home.root), words), check


def test_a_legal_hold_on_what_was_opened_keeps_who_opened_it_and_why(past: tuple[Past, str]) -> None:
    site, _ = past
    ((claim,),) = site.sql("SELECT DISTINCT unit FROM openings")
    holding.place(site.settings, site.log(), str(claim), None, WHO)
    site.dispose(time.time() + 20 * MONTH)
    assert site.found() == {"Qreason", "Qcase", "Qplain", "Qexplains", "Qfinds", "Qremarks", "Qnamed"} | CENTRAL | KEPT
    assert (site.faults() or NOTHING) in ((), NOTHING)


def test_each_period_of_the_guide_ends_in_time_and_the_audit_holds(past: tuple[Past, str]) -> None:
    site, check = past
    start = time.time() + 86_400.0
    everything = LOG | CHECK | CENTRAL | KEPT
    assert site.found() == everything
    for months, left in ((13, everything), (15, everything - LOG), (19, CENTRAL | KEPT), (62, KEPT)):
        site.dispose(start + months * MONTH)
        # The check has its own copy of the case, for as long as its report is kept.
        assert site.found() == left | ({"Qcase"} if months == 15 else set()), months
        assert (site.faults() or NOTHING) in ((), NOTHING)
    ledger = Ledger(site.home.ledger, clock=lambda: start, role="test")
    with ledger.read() as connection:
        assert find_check(connection, check).name == ""
    with pytest.raises(NotFound, match="was erased"):
        reporting.reprint_report(ledger, "sp1", to_text(start - 86_400.0)[:10], "once more")
    ledger.close()
    assert site.sql("SELECT state, decided_by, supported FROM checks WHERE id = ?", check) == [("decided", "co1", 1)]
    assert site.dispose(start + 63 * MONTH).certificate is None
