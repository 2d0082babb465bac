"""Sessions end by themselves, and at once with the rights of whoever has them."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from gateway.administration.credentials import refusals, sessions, signing_in
from gateway.administration.credentials.store import Records
from gateway.administration.people import roster
from gateway.administration.people.roster import Details
from gateway.domain.people import PersonRole, Right
from tests.fakes.credentials import DAY, WHY, Desk

HOUR = 3600.0


@pytest.fixture(autouse=True)
def people(desk: Desk) -> None:
    desk.person("hb1", PersonRole.OPERATOR)


def ended(desk: Desk) -> list[str]:
    return [detail["outcome"] for *_, detail in desk.told("session.ended")]


def test_a_session_that_nobody_uses_ends_after_a_quarter_of_an_hour(desk: Desk) -> None:
    token, _ = desk.sign_in("hb1")
    for _ in range(8):
        desk.now += 14 * 60
        assert sessions.look(desk.context, token) is not None
    desk.now += 14 * 60
    assert sessions.look(desk.context, token, used=False) is not None
    desk.now += 60
    assert sessions.look(desk.context, token) is None
    assert ended(desk) == ["idle"]


def test_a_session_ends_after_a_working_day_whatever_is_done(desk: Desk) -> None:
    token, session = desk.sign_in("hb1")
    while desk.now < session.ends:
        assert sessions.look(desk.context, token) is not None
        desk.now += 10 * 60
    assert sessions.look(desk.context, token) is None
    assert ended(desk) == ["over"]


@pytest.mark.parametrize(
    "change",
    [
        lambda ledger: roster.suspend(ledger, "hb1", WHY),
        lambda ledger: roster.remove(ledger, "hb1", WHY),
        lambda ledger: roster.change(ledger, "hb1", {PersonRole.AUDITOR}, Details(), WHY),
        lambda ledger: (roster.suspend(ledger, "hb1", WHY), roster.resume(ledger, "hb1", WHY)),
    ],
    ids=["suspend", "remove", "move", "suspend-and-resume"],
)
def test_whatever_changes_about_a_person_ends_all_sessions_at_once(desk: Desk, change: Callable[..., object]) -> None:
    """Whoever changes it only writes to the ledger."""
    tokens = [desk.sign_in("hb1")[0] for _ in range(2)]
    change(desk.context.ledger)
    assert [sessions.look(desk.context, token) for token in tokens] == [None, None]
    assert ended(desk) == ["rights", "rights"]


def test_signing_out_ends_one_session_or_all(desk: Desk) -> None:
    first, second, third = (desk.sign_in("hb1")[0] for _ in range(3))
    sessions.sign_out(desk.context, first)
    sessions.sign_out(desk.context, first)
    assert [sessions.look(desk.context, token) is None for token in (first, second, third)] == [True, False, False]
    assert sessions.sign_out_everywhere(desk.context, "hb1") == 2
    assert sessions.look(desk.context, third) is None
    assert ended(desk) == ["signed-out"] * 3


def test_a_clock_that_was_set_back_ends_sessions(desk: Desk) -> None:
    token, _ = desk.sign_in("hb1")
    desk.now -= DAY
    assert sessions.look(desk.context, token) is None


def test_what_is_kept_of_a_token_is_no_token(desk: Desk) -> None:
    token, _ = desk.sign_in("hb1")
    path = desk.context.store.path
    assert all(token.encode() not in each.read_bytes() for each in path.parent.iterdir())
    for wrong in ("", token[:-1], token.upper(), "é"):
        assert sessions.look(desk.context, wrong) is None
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert {stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()} == {0o600}


def test_a_sweep_ends_what_nobody_looks_at_and_forgets_who_has_left(desk: Desk) -> None:
    desk.person("hb2", PersonRole.OPERATOR)
    desk.sign_in("hb1")
    desk.now += HOUR
    kept, _ = desk.sign_in("hb2")
    assert sessions.sweep(desk.context) == 1
    assert ended(desk) == ["idle"]
    roster.remove(desk.context.ledger, "hb1", WHY)
    sessions.sweep(desk.context)
    with desk.context.store.read() as records:
        assert records.users() == {"hb2"}
    assert sessions.look(desk.context, kept) is not None


def test_refused_pages_are_told_once_a_minute_with_how_many(desk: Desk) -> None:
    token, session = desk.sign_in("hb1")
    assert sessions.look(desk.context, token)
    for _ in range(50):
        desk.now += 1
        refusals.page_refused(desk.context, "192.0.2.1", session.person, "people", Right.PEOPLE)
    refusals.page_refused(desk.context, "192.0.2.1", None, "overview", None)
    desk.now += 20
    refusals.page_refused(desk.context, "192.0.2.1", session.person, "people", Right.PEOPLE)
    told = [
        (subject, detail["act"], detail.get("right"), detail["count"])
        for _, subject, detail in desk.told("page.refused")
    ]
    assert told == [("hb1", "people", "people", 1), ("console", "overview", None, 1), ("hb1", "people", "people", 50)]
    refusals.page_refused(desk.context, "192.0.2.1", session.person, "people", Right.PEOPLE)
    refusals.tell_rest(desk.context, everything=True)
    assert desk.told("page.refused")[-1] == ("page.refused", "console", {"count": 1})


def test_session_that_begins_while_a_sweep_waits_for_its_turn_goes_on(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, signed = desk.context.store.write, []

    @contextmanager
    def after_somebody_signed_in() -> Iterator[Records]:
        monkeypatch.setattr(desk.context.store, "write", write)
        desk.now += 1.0
        signed.append(signing_in.sign_in(desk.context, desk.attempt("hb1"))[0])
        with write() as records:
            yield records

    monkeypatch.setattr(desk.context.store, "write", after_somebody_signed_in)
    assert sessions.sweep(desk.context) == 0
    assert sessions.look(desk.context, signed[0]) is not None
