"""What ends soon is told once a step, of whoever may sign in, and of nobody else."""

from __future__ import annotations

import pytest

from gateway.administration.credentials.reminders import STEPS, Ending, password_ends, remind
from gateway.administration.credentials.rows import StoredToken
from gateway.administration.people import roster
from gateway.domain.identity import to_text
from gateway.domain.people import PersonRole
from gateway.events import Event
from tests.fakes.credentials import DAY, START, WHY, Desk


@pytest.mark.parametrize(
    ("whole", "left", "step"),
    [
        (30, 14.1, None),
        (30, 14, 14),
        (30, 7.1, 14),
        (30, 7, 7),
        (30, 3, 3),
        (30, 1, 1),
        (30, 0.01, 1),
        (30, 0, None),
        (30, -1, None),
        (30, 31, None),
        (14, 13, None),
        (10, 7, 7),
        (1, 0.5, None),
    ],
)
def test_step_is_the_smallest_that_is_left_and_shorter_than_the_whole(
    whole: int, left: float, step: int | None
) -> None:
    ending = Ending(Event.PASSWORD_EXPIRING, "person", "hb1", "hb1", START, START + whole * DAY)
    assert ending.step(START + (whole - left) * DAY) == step


def test_each_step_is_told_once_however_often_one_looks_and_again_of_the_next_password(desk: Desk) -> None:
    desk.person("hb1", PersonRole.OPERATOR)
    for _ in range(2):
        ends = password_ends(desk.context)["hb1"]
        told = len(desk.told("password.expiring"))
        for _ in range(35 * 4):
            desk.now += DAY / 4
            remind(desk.context)
            assert remind(desk.context) == 0
        found = [detail for *_, detail in desk.told("password.expiring")[told:]]
        assert found == [{"days": days, "due": ends} for days in STEPS]
        desk.set_password("hb1")


def test_nobody_is_told_of_who_is_suspended_or_gone_or_of_what_was_told_by_another_console(desk: Desk) -> None:
    for user in ("hb1", "hb2", "hb3"):
        desk.person(user, PersonRole.OPERATOR)
    roster.suspend(desk.context.ledger, "hb1", WHY)
    roster.remove(desk.context.ledger, "hb2", WHY)
    desk.now += 24 * DAY
    assert remind(desk.context) == 1
    assert [subject for _, subject, _ in desk.told("password.expiring")] == ["hb3"]
    roster.resume(desk.context.ledger, "hb1", WHY)
    assert remind(desk.context) == 1


def test_tokens_of_programs_are_told_too_and_a_token_may_be_called_as_a_person_is(desk: Desk) -> None:
    desk.person("hb1", PersonRole.OPERATOR)
    desk.now = START + 20 * DAY
    stored = StoredToken("hb1", "0" * 64, "hb1", "look", "claim", "", START, START + 24 * DAY, 0.0)
    with desk.context.store.write() as records:
        records.keep_token(stored)
    assert remind(desk.context) == 2
    assert desk.told("token.expiring") == [("token.expiring", "hb1", {"days": 7, "due": to_text(START + 24 * DAY)})]
