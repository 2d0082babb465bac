"""Saved filters: whose they are, what they may be, and what a page makes of them."""

from __future__ import annotations

from itertools import count

import pytest
from markupsafe import escape

from gateway.administration.credentials import sessions
from gateway.administration.credentials.saved_filters import LONGEST_NAME, MOST
from gateway.administration.people import roster
from gateway.domain.people import PersonRole
from tests.fakes.browsers import Visitor, visitor, words
from tests.fakes.programs import WHY, Program

NUMBERS = count()
HELD = "direction=in&state=held"


@pytest.fixture
def operator(console: Program) -> Visitor:
    return visitor(console, f"hb{next(NUMBERS)}", PersonRole.OPERATOR)


def test_filter_is_saved_under_a_name_found_as_a_link_and_removed(console: Program, operator: Visitor) -> None:
    assert b"Save this filter as" not in operator.get("/transfers").body, "nothing is filtered"
    assert b"Save this filter as" in operator.get(f"/transfers?{HELD}").body
    said = operator.post("/transfers", name="  Held   here ", query=HELD)
    assert (said.status, said.headers["location"]) == (303, f"/transfers?{HELD}")
    link = f'href="/transfers?{escape(HELD)}"'.encode()
    assert link + b">Held here</a>" in operator.get("/transfers").body
    assert link + b' aria-current="true">Held here</a>' in operator.get(f"/transfers?{HELD}").body
    operator.post("/transfers", name="Held here", query="state=held&sort=name")
    page = operator.get("/transfers").body
    assert (link in page, b"state=held&amp;sort=name" in page) == (False, True), "instead of the one before"
    other = visitor(console, "op1")
    assert b"Held here" not in other.get("/transfers").body
    other.post("/transfers", remove="Held here", query="")
    assert b"Held here" not in operator.get("/enquiries").body, "it is of another list"
    assert b"Held here" in operator.get("/transfers").body
    assert operator.post("/transfers", remove="Held here", query=HELD).headers["location"] == f"/transfers?{HELD}"
    assert b"Held here" not in operator.get("/transfers").body


@pytest.mark.parametrize("path", ["/requests?state=asked", "/enquiries?outstanding=yes", "/events?partner=DWP"])
def test_other_long_lists_have_them_for_whoever_may_see_the_list(path: str, console: Program) -> None:
    user = f"hb{next(NUMBERS)}"
    person = visitor(console, user, PersonRole.AUDITOR)
    address, _, query = path.partition("?")
    assert person.post(address, name="Mine", query=query).headers["location"] == path
    assert f'href="{path}"' in person.get(address).body.decode()
    printer = visitor(console, f"{user}p", PersonRole.SECURE_PRINT)
    assert printer.post(address, name="Mine", query=query).status == 403


def test_name_and_filter_are_text_whatever_is_typed(operator: Visitor) -> None:
    name = '"><img src=x onerror=1>'
    operator.post("/transfers", name=name, query=f"state={name}&next=//elsewhere.example&csrf=0&from=2026-11-01")
    page = operator.get("/transfers").body.decode()
    assert (name in page, "elsewhere" in page) == (False, False)
    assert str(escape(name)) in page
    assert 'href="/transfers?state=%22%3E%3Cimg+src%3Dx+onerror%3D1%3E&amp;from=2026-11-01"' in page


@pytest.mark.parametrize("name", ["", " \n ", "x" * (LONGEST_NAME + 1), "a\u202eb", "a\x00b"])
def test_name_that_is_none_is_said_beside_its_field(name: str, operator: Visitor) -> None:
    said = operator.post("/transfers", name=name, query=HELD)
    assert said.status == 422
    assert f"A filter's name has 1 to {LONGEST_NAME} printable characters.".replace("'", "&#39;") in said.body.decode()
    assert b'<option value="held" selected>' in said.body
    assert b"Remove" not in operator.get("/transfers").body


def test_what_is_kept_has_its_bounds(operator: Visitor) -> None:
    assert operator.post("/transfers", name="none", query="page=2").status == 422
    assert operator.post("/transfers", name="long", query=f"state={'x' * 1_000}").status == 422
    for number in range(MOST):
        assert operator.post("/transfers", name=f"f{number}", query=HELD).status == 303
    assert "remove one first" in words(operator.post("/enquiries", name="one more", query="outstanding=yes"))
    assert operator.post("/transfers", name="f0", query="state=sent").status == 303, "instead of one"


def test_forged_form_saves_nothing(console: Program, operator: Visitor) -> None:
    assert operator.post("/transfers", name="Forged", query=HELD, csrf="0" * 64).status == 403
    assert b"Forged" not in operator.get("/transfers").body


def test_filters_go_with_the_person(console: Program) -> None:
    context = console.site.credentials
    visitor(console, "hbleaves", PersonRole.OPERATOR).post("/transfers", name="Mine", query=HELD)
    with context.store.read() as records:
        assert len(records.filters("hbleaves")) == 1
    roster.remove(context.ledger, "hbleaves", WHY)
    sessions.sweep(context)
    with context.store.read() as records:
        assert records.filters("hbleaves") == []
