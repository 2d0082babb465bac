"""Signing in: what is right gets a session, and everything else one answer, in the same time, ever more slowly."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from gateway.administration.credentials import links, sessions, signing_in
from gateway.administration.credentials.refusals import tell_rest
from gateway.administration.credentials.store import Records
from gateway.administration.people import roster
from gateway.administration.people.roster import Details
from gateway.domain.people import PersonRole
from gateway.errors import CredentialsExpired, LinkRefused, PasswordRefused, SignInLocked, SignInRefused, UsageWrong
from tests.fakes.credentials import DAY, GOOD, WHY, Desk

GUESS, TYPED = "guess", "hunter-typed"
NEW = "seven lanterns below the pier"


@pytest.fixture(autouse=True)
def people(desk: Desk) -> None:
    desk.person("hb1", PersonRole.OPERATOR)


def refused(desk: Desk, user: str, **wrong: str) -> None:
    with pytest.raises(SignInRefused):
        signing_in.sign_in(desk.context, desk.attempt(user, **wrong))


def test_right_password_and_code_make_a_session_and_an_event(desk: Desk) -> None:
    token, session = desk.sign_in("hb1")
    assert session.person.user == "hb1"
    assert len(token) == 64
    found = sessions.look(desk.context, token)
    assert found is not None
    assert found.person == session.person
    assert desk.told("signin.accepted") == [("signin.accepted", "hb1", {"act": "password"})]


def test_one_answer_for_whatever_is_wrong(desk: Desk) -> None:
    roster.add(desk.context.ledger, "hb2", (), Details("Invented", "Unit"), WHY)  # never set a password
    desk.person("hb3", PersonRole.AUDITOR)
    roster.suspend(desk.context.ledger, "hb3", WHY)
    said = set()
    for user, wrong in (
        ("hb1", {"password": "wrong"}),
        ("hb1", {"code": "000000"}),
        ("hb2", {}),
        ("hb3", {}),
        ("nobody", {}),
        ("' OR 1=1 --", {}),
        ("x" * 10_000, {"password": "y" * 100_000}),
    ):
        desk.now += 10
        with pytest.raises(SignInRefused) as caught:
            signing_in.sign_in(desk.context, desk.attempt(user, **wrong))
        said.add(str(caught.value))
    assert len(said) == 1


def test_a_code_is_taken_once_and_only_around_its_time(desk: Desk) -> None:
    code = desk.code("hb1")
    signing_in.sign_in(desk.context, desk.attempt("hb1", code=code))
    refused(desk, "hb1", code=code)
    desk.now += 120
    refused(desk, "hb1", code=code)
    desk.now += 10
    signing_in.sign_in(desk.context, desk.attempt("hb1", code=f" {desk.code('hb1')[:3]} {desk.code('hb1')[3:]} "))


def test_a_code_of_before_the_last_one_is_a_replay(desk: Desk) -> None:
    before = desk.code("hb1")
    desk.now += 30
    signing_in.sign_in(desk.context, desk.attempt("hb1"))
    refused(desk, "hb1", code=before)


def test_failures_wait_longer_and_longer_also_for_who_knows_the_password_by_then(desk: Desk) -> None:
    guesses = 0
    for _ in range(0, 600, 3):
        desk.now += 3
        try:
            signing_in.sign_in(desk.context, desk.attempt("hb1", password=GUESS))
        except SignInLocked:
            continue
        except SignInRefused:
            guesses += 1
    assert guesses == 8, "1, 2, 4, 8, 60, 120, 240 and 480 seconds lie between them"
    with pytest.raises(SignInLocked):
        signing_in.sign_in(desk.context, desk.attempt("hb1"))
    desk.now += 3600
    desk.sign_in("hb1")
    refused(desk, "hb1", code="000000")
    desk.now += 1
    desk.sign_in("hb1")  # what went before is forgiven


def test_a_user_id_that_there_is_not_waits_like_any_other(desk: Desk) -> None:
    def course(user: str) -> list[str]:
        said = []
        for _ in range(40):
            desk.now += 3
            try:
                signing_in.sign_in(desk.context, desk.attempt(user, password=GUESS, address=user))
            except (SignInLocked, SignInRefused) as error:
                said.append(str(error))
        return said

    assert course("hb1") == course("nobody")


def test_an_address_that_tries_many_user_ids_waits_too(desk: Desk) -> None:
    taken = 0
    for number in range(200):
        try:
            signing_in.sign_in(desk.context, desk.attempt(f"guess{number}"))
        except SignInLocked:
            continue
        except SignInRefused:
            taken += 1
    assert taken == 20
    with pytest.raises(SignInLocked):
        signing_in.sign_in(desk.context, desk.attempt("hb1"))
    signing_in.sign_in(desk.context, desk.attempt("hb1", address="192.0.2.99"))


def test_many_guesses_at_once_are_one(desk: Desk) -> None:
    outcomes: list[str] = []

    def guess(number: int) -> None:
        try:
            signing_in.sign_in(desk.context, desk.attempt("hb1", password=f"guess {number}", address=str(number)))
        except (SignInLocked, SignInRefused) as error:
            outcomes.append(type(error).__name__)

    threads = [threading.Thread(target=guess, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [*["SignInLocked"] * 15, "SignInRefused"]


def test_hundreds_of_guesses_leave_few_events_and_none_of_their_words(desk: Desk) -> None:
    before = len(desk.told())
    for number in range(400):  # five guesses at each of 80 user ids, from as many addresses
        desk.now += 0.1
        with pytest.raises((SignInLocked, SignInRefused)):
            signing_in.sign_in(
                desk.context,
                desk.attempt(f"secret-typed-here-{number % 80}", password=TYPED, address=f"10.0.0.{number % 80}"),
            )
    told = desk.told()[before:]
    assert len(told) <= 10
    assert "typed" not in str(told)
    desk.now += 61
    sessions.sweep(desk.context)
    tell_rest(desk.context)
    told = desk.told()[before:]
    assert sum(detail["count"] for name, _, detail in told if name == "signin.refused") == 400
    for path in desk.context.store.path.parent.iterdir():
        assert b"typed" not in path.read_bytes()


def test_a_new_session_never_takes_the_browsers_old_token(desk: Desk) -> None:
    token, _ = desk.sign_in("hb1")
    following, _ = desk.sign_in("hb1", before=token)
    assert following != token
    assert sessions.look(desk.context, token) is None
    planted = "0" * 64
    third, _ = desk.sign_in("hb1", before=planted)
    assert third != planted
    assert sessions.look(desk.context, planted) is None


def test_a_password_is_good_for_thirty_days_with_a_reminder_from_seven_before(desk: Desk) -> None:
    _, session = desk.sign_in("hb1")
    assert (session.days_left, session.remind) == (29, False)
    desk.now += 22 * DAY
    _, session = desk.sign_in("hb1")
    assert (session.days_left, session.remind) == (7, True)
    desk.now += 8 * DAY
    with pytest.raises(CredentialsExpired):
        desk.sign_in("hb1")
    desk.now += 30
    signing_in.renew(desk.context, desk.attempt("hb1"), NEW)
    desk.now += 30
    refused(desk, "hb1")
    desk.now += 30
    signing_in.sign_in(desk.context, desk.attempt("hb1", password=NEW))
    assert [detail["act"] for *_, detail in desk.told("password.set")] == ["link", "renewal"]


def test_a_password_that_is_twice_its_time_old_takes_a_new_link(desk: Desk) -> None:
    desk.now += 60 * DAY
    with pytest.raises(CredentialsExpired):
        signing_in.renew(desk.context, desk.attempt("hb1"), NEW)
    desk.set_password("hb1", NEW)
    desk.now += 30
    signing_in.sign_in(desk.context, desk.attempt("hb1", password=NEW))


def test_a_new_password_is_another_and_a_good_one(desk: Desk) -> None:
    for password in (GOOD, "password1234"):
        desk.now += 30
        with pytest.raises(PasswordRefused):
            signing_in.renew(desk.context, desk.attempt("hb1"), password)
    desk.now += 30
    with pytest.raises(SignInRefused):
        signing_in.renew(desk.context, desk.attempt("hb1", password=GUESS), NEW)


# -- one-time links


def test_a_link_is_used_once_and_ends_sessions(desk: Desk) -> None:
    signed, _ = desk.sign_in("hb1")
    token = links.issue(desk.context, "hb1", WHY)
    desk.secrets["hb1"] = links.start(desk.context, token).secret
    with pytest.raises(PasswordRefused):
        links.use(desk.context, token, "password1234", desk.code("hb1"))
    with pytest.raises(SignInRefused):
        links.use(desk.context, token, NEW, "000000")
    code = desk.code("hb1")
    links.use(desk.context, token, NEW, code)
    assert sessions.look(desk.context, signed) is None
    for again in (lambda: links.start(desk.context, token), lambda: links.use(desk.context, token, NEW, code)):
        with pytest.raises(LinkRefused):
            again()
    refused(desk, "hb1", password=NEW, code=code)  # the code that set it is used up


def test_a_link_ends_after_a_day_and_with_the_next_and_when_the_person_changes(desk: Desk) -> None:
    old = links.issue(desk.context, "hb1", WHY)
    token = links.issue(desk.context, "hb1", WHY)
    with pytest.raises(LinkRefused):
        links.start(desk.context, old)
    desk.now += DAY
    with pytest.raises(LinkRefused):
        links.start(desk.context, token)
    token = links.issue(desk.context, "hb1", WHY)
    roster.suspend(desk.context.ledger, "hb1", WHY)
    with pytest.raises(UsageWrong):
        links.issue(desk.context, "hb1", WHY)
    roster.resume(desk.context.ledger, "hb1", WHY)
    for wrong in (token, "", "x", token.upper(), "é"):
        with pytest.raises(LinkRefused):
            links.start(desk.context, wrong)


def test_a_link_forgives_what_a_stranger_did(desk: Desk) -> None:
    for _ in range(5):
        desk.now += 20
        refused(desk, "hb1", password=GUESS, address="198.51.100.7")
    desk.set_password("hb1")
    desk.sign_in("hb1")


def test_a_link_is_an_address_below_that_of_the_console(desk: Desk) -> None:
    assert links.address(desk.context, "ab") == "/start/ab"


def test_attempt_that_waited_while_another_failed_forgets_no_failure(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        fail(desk)
    write = desk.context.store.write

    @contextmanager
    def after_another_failed() -> Iterator[Records]:
        monkeypatch.setattr(desk.context.store, "write", write)
        desk.now += 120.0
        fail(desk)
        desk.now += 120.0
        with write() as records:
            yield records

    monkeypatch.setattr(desk.context.store, "write", after_another_failed)
    fail(desk)
    with desk.context.store.read() as records:
        assert records.failures(desk.context.store.digest("user", "hb1")).count == 5


def fail(desk: Desk) -> None:
    with pytest.raises(SignInRefused):
        signing_in.sign_in(desk.context, desk.attempt("hb1", "a wrong password", "000000"))
    desk.now += 120.0
