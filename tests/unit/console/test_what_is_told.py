"""What forms and pages tell people: every field its own fault, what comes first, what a button does, where the next page is."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from gateway.administration.credentials import links
from gateway.administration.looking import checking, investigating
from gateway.administration.looking.opening import TRANSFER, Wanted, open_payload
from gateway.administration.people import roster
from gateway.domain.decision import Decision
from gateway.domain.people import PersonRole
from gateway.ledger.queries import overview
from tests.fakes.browsers import Visitor, visitor, words
from tests.fakes.programs import Program

WHY = Decision("adm1", "for a test")


@pytest.fixture(scope="module")
def administrator(console: Program) -> Visitor:
    return visitor(console, "adm1", PersonRole.ADMINISTRATOR)


def faults(page: bytes) -> dict[str, str]:
    """The error summary: texts by the field that each leads to."""
    return dict(re.findall(r'<li><a href="#(\w+)">([^<]+)</a>', page.decode()))


def test_somebody_new_has_a_fault_at_each_field(administrator: Visitor) -> None:
    empty = administrator.post("/people/add")
    assert empty.status == 422
    assert list(faults(empty.body)) == ["user", "name", "unit", "reason"]
    for field in ("user", "name", "unit", "reason"):
        assert f'id="{field}-error"' in empty.body.decode()
    tomorrow = administrator.post(
        "/people/add", user="hb7002", name="Somebody", unit="Benefits", reason="joins", agreement="2999-01-01"
    )
    assert list(faults(tomorrow.body)) == ["agreement"]
    assert administrator.post("/people/add", user="hb7002", name="S", unit="B", reason="joins").status == 303
    again = administrator.post("/people/add", user="hb7002", name="S", unit="B", reason="joins")
    assert "was given before" in faults(again.body)["user"]


def test_removing_asks_once_more_and_says_that_it_is_for_good(console: Program, administrator: Visitor) -> None:
    roster.add(console.bench.ledger, "hb7003", (), roster.Details("Somebody", "Benefits"), WHY)
    first = administrator.post("/people/hb7003", decision="remove", reason="moved away")
    assert "Remove hb7003 for good?" in words(first)
    assert "moved away" in words(first)
    assert "Active" in words(administrator.get("/people/hb7003")), "nothing has happened"
    assert administrator.post("/people/hb7003", decision="remove", reason="moved away", sure="yes").status == 303
    assert "Left" in words(administrator.get("/people/hb7003"))


def test_first_password_has_all_faults_at_once_and_sign_in_says_that_it_is_set(console: Program) -> None:
    context = console.site.credentials
    roster.add(console.bench.ledger, "hb7004", (), roster.Details("Somebody", "Benefits"), WHY)
    token = links.issue(context, "hb7004", WHY)
    visit = Visitor(console, "nobody's")
    typed = {"password": "short", "again": "shorter", "code": "000000"}
    wrong = visit.post(f"/start/{token}", **typed)
    assert list(faults(wrong.body)) == ["password", "again", "code"]
    assert re.search(r'name="user" type="text" value="hb7004"', wrong.body.decode()), "password managers need it"
    assert "does not work again" in words(visit.get("/sign-in?after=password"))
    assert "inset" not in visit.get("/sign-in?after=<script>").body.decode()


def test_check_goes_from_step_to_step_and_its_pages_lead_on(console: Program, administrator: Visitor) -> None:
    ledger, settings = console.bench.ledger, console.site.settings
    opener = visitor(console, "op2", PersonRole.OPERATOR)
    officer = visitor(console, "chk1", PersonRole.CHECKING_OFFICER)
    with ledger.read() as connection:
        claim = overview.transfers(connection)[0]
    drawn = open_payload(settings, ledger, "op2", Wanted(TRANSFER, claim.id, "a telephone call"), (), random=bytes)
    assert drawn.check is not None
    path = f"/checks/{drawn.check.id}"
    refused = opener.post(f"/transfers/{claim.id}/payload", reason="a telephone call")
    assert f'href="{path}"' in refused.body.decode().partition("<main")[2]

    page = words(officer.get(path))
    assert claim.name in page
    assert "a telephone call" in page
    assert datetime.fromtimestamp(console.bench.now, UTC).strftime("%Y at %H:%M") in page
    assert "op2 has to acknowledge the check, and explain it first" in page
    assert "The evidence supports it" not in page
    checking.acknowledge(ledger, "op2", drawn.check.id)
    assert "op2 has to explain it first" in words(officer.get(path))
    checking.explain(ledger, "op2", drawn.check.id, "the claim form")
    assert "The evidence supports it" in words(officer.get(path))

    assert officer.post(path, decision="unsupported", reason="").status == 422
    asked = officer.post(path, decision="unsupported", reason="no such form")
    assert "suspends op2 at once" in words(asked)
    assert opener.get("/transfers").status == 200, "nothing has happened"
    assert officer.post(path, decision="unsupported", reason="no such form", sure="yes").status == 303
    gone = opener.get("/transfers")
    assert gone.headers["location"] == "/sign-in?next=/transfers&after=session"
    assert "suspended" in words(opener.get(gone.headers["location"]))

    with ledger.read() as connection:
        (incident,) = [each for each in investigating.listed(connection) if each.user == "op2"]
    assert f'href="/incidents/{incident.id}"' in officer.get(path).body.decode()
    assert "op2, suspended" in words(officer.get(f"/incidents/{incident.id}"))
    assert "Opened; op2 was suspended with it" in words(officer.get(f"/incidents/{incident.id}"))
    told = words(administrator.get("/people/op2"))
    assert "by chk1: an incident" in told
    assert incident.id[-8:] in told
    assert f"/incidents/{incident.id}" not in administrator.get("/people/op2").body.decode(), "it has no right to it"


def test_request_names_the_file_and_says_only_what_there_is(console: Program) -> None:
    supervisor = visitor(console, "sup1", PersonRole.SUPERVISOR)
    with console.bench.ledger.read() as connection:
        claim = overview.transfers(connection)[0]
    asked = supervisor.post(f"/decide/accept/{claim.id}", reason="loaded by hand")
    request = asked.headers["location"]
    page = supervisor.get(request)
    shown = words(page)
    assert claim.name in shown
    assert "Second person" not in shown
    assert ": accept" not in shown, "the heading says so"
    assert claim.name in words(supervisor.get("/requests"))
    plain = visitor(console, "adm2", PersonRole.ADMINISTRATOR)
    assert claim.name not in words(plain.get("/requests")), "names of files are for who may look at transfers"


def test_suspended_partner_and_statements_are_no_choice_of_what_is_sent(console: Program) -> None:
    operator = visitor(console, "op3", PersonRole.OPERATOR)
    page = operator.get("/send").body.decode()
    assert '<option value="statement"' not in page
    assert '<option value="laid"' in page or '<option value="outcome"' in page
    assert "Nothing was sent" in words(operator.get("/send?after=removed"))


def test_an_incident_about_somebody_asks_once_more_and_needs_to_be_told_what_happened(console: Program) -> None:
    officer, about = visitor(console, "chk7", PersonRole.CHECKING_OFFICER), visitor(console, "op7", PersonRole.OPERATOR)
    given = {"about": "op7", "reason": "seen at another desk"}
    assert faults(officer.post("/incidents/open", **given).body) == {"reason": "Choose what happened."}
    assert faults(officer.post("/incidents/open", **{**given, "kind": "other", "about": "nobody"}).body)
    first = officer.post("/incidents/open", **given, kind="other")
    assert "Suspend op7?" in words(first)
    assert "seen at another desk" in first.body.decode()
    other = officer.post("/incidents/open", **given, kind="other", sure="chk7")
    assert "Suspend op7?" in words(other), "it was asked of another one"
    assert about.get("/transfers").status == 200, "nothing has happened"
    opened = officer.post("/incidents/open", **given, kind="other", sure="op7")
    assert opened.status == 303
    assert about.get("/transfers").status == 303
    board = words(officer.get("/"))
    assert re.search(r"\d+ incidents? (is|are) open", board)
    assert "All is well" not in board
