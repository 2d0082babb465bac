"""Which openings draw a management check, who takes which step of it, and which checks are looked at once more."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime
from itertools import product

import pytest

from gateway.domain.checks import (
    CaseFacts,
    CheckState,
    Criterion,
    Quarter,
    Rates,
    Sample,
    Step,
    chosen,
    draw,
    quarter_of,
    require_step,
)
from gateway.domain.incidents import FIELDS, FormKind, require_fields
from gateway.errors import CheckMisplaced, OwnCheck, UsageWrong

TODAY = date(2026, 11, 28)
NEVER = 0.9999
LONG_DEAD = CaseFacts(death=date(2024, 1, 1))


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (CaseFacts(), None),
        (CaseFacts(sensitive=True), Criterion.SENSITIVE),
        (CaseFacts(sensitive=False), None),
        (CaseFacts(birth=date(1944, 11, 28)), None),
        (CaseFacts(birth=date(1944, 11, 27)), Criterion.OVER_AGE),
        (CaseFacts(birth=date(1944, 11, 27), in_payment=False), Criterion.OVER_AGE),
        (CaseFacts(birth=date(1944, 11, 27), in_payment=True), None),
        (CaseFacts(birth=date(1930, 1, 1), in_payment=False, death=date(2026, 11, 1)), Criterion.OVER_AGE),
        (CaseFacts(birth=date(1930, 1, 1), in_payment=False, death=date(2024, 1, 1)), None),
        (CaseFacts(death=date(2024, 1, 1), sensitive=True), Criterion.SENSITIVE),
    ],
)
def test_the_case_decides_whatever_the_random_number_is(case: CaseFacts, expected: Criterion | None) -> None:
    assert draw([case], TODAY, NEVER, Rates()) is expected
    assert draw([CaseFacts(), case], TODAY, NEVER, Rates()) is expected


@pytest.mark.parametrize(("day", "over"), [(date(2026, 2, 28), False), (date(2026, 3, 1), True)])
def test_a_birthday_on_the_29th_of_february_is_over_in_march(day: date, *, over: bool) -> None:
    assert (draw([CaseFacts(birth=date(1944, 2, 29))], day, NEVER, Rates()) is Criterion.OVER_AGE) is over


@pytest.mark.parametrize(
    ("death", "expected"), [(date(2025, 11, 28), None), (date(2025, 11, 27), Criterion.DECEASED), (TODAY, None)]
)
def test_a_death_asks_for_a_check_once_it_is_more_than_12_months_ago(death: date, expected: Criterion | None) -> None:
    assert draw([CaseFacts(death=death)], TODAY, 0.3, Rates()) is expected


def test_one_opening_in_a_hundred_is_checked_and_one_in_three_of_a_death_long_ago() -> None:
    drawn = random.Random("management checks")
    times = 60_000
    plain = sum(draw([CaseFacts()], TODAY, drawn.random(), Rates()) is Criterion.RANDOM for _ in range(times))
    dead = sum(draw([LONG_DEAD], TODAY, drawn.random(), Rates()) is Criterion.DECEASED for _ in range(times))
    # Five standard deviations: 24.4 of 600, and 115 of 20,000.
    assert abs(plain - times / 100) < 5 * 24.4
    assert abs(dead - times / 3) < 5 * 115.5


def test_a_site_that_checks_more_checks_more() -> None:
    assert draw([CaseFacts()], TODAY, 0.19, Rates(random_percent=20.0)) is Criterion.RANDOM
    assert draw([LONG_DEAD], TODAY, NEVER, Rates(deceased_one_in=1)) is Criterion.DECEASED
    assert draw([LONG_DEAD], TODAY, 0.4, Rates(random_percent=50.0)) is Criterion.RANDOM


def test_each_step_has_its_turn_and_its_people() -> None:
    allowed = {
        (step, state, by, active)
        for step, state, by, active in product(Step, CheckState, ("opener", "officer", "other"), (True, False))
        if _may(step, state, by, active=active)
    }
    after = {(Step.DECIDE, state, by, False) for state in list(CheckState)[:2] for by in ("officer", "other")}
    assert allowed == after | {
        *((Step.ACKNOWLEDGE, CheckState.DRAWN, "opener", active) for active in (True, False)),
        *((Step.EXPLAIN, CheckState.ACKNOWLEDGED, "opener", active) for active in (True, False)),
        *((Step.DECIDE, CheckState.EXPLAINED, by, active) for by in ("officer", "other") for active in (True, False)),
        *((Step.VALIDATE, CheckState.DECIDED, "other", active) for active in (True, False)),
    }


def _may(step: Step, state: CheckState, by: str, *, active: bool) -> bool:
    try:
        require_step(step, state, "opener", by, active=active, decider="officer")
    except (OwnCheck, CheckMisplaced):
        return False
    return True


def test_quarters_follow_each_other() -> None:
    assert quarter_of(datetime(2026, 12, 31, 23, 59, tzinfo=UTC).timestamp()) == Quarter(2026, 4)
    assert quarter_of(Quarter(2027, 1).start) == Quarter(2027, 1)
    for number in (1, 2, 3, 4):
        each = Quarter(2026, number)
        assert each.following.before == each
        assert quarter_of(each.following.start - 1) == each
    assert str(Quarter(2026, 4).following) == "2027-Q1"


@pytest.mark.parametrize(
    ("count", "percent", "expected"), [(0, 10, 0), (1, 1, 1), (100, 1, 1), (101, 1, 2), (30, 10, 3), (7, 100, 7)]
)
def test_a_sample_is_a_part_rounded_up(count: int, percent: float, expected: int) -> None:
    assert len(chosen([f"check {number}" for number in range(count)], percent, Sample.SUPPORT, "key")) == expected


def test_a_sample_is_the_same_for_everybody_and_another_for_another_key_or_purpose() -> None:
    ids = [f"check {number}" for number in range(200)]
    first = chosen(ids, 10, Sample.SUPPORT, "key")
    assert chosen(ids[::-1], 10, Sample.SUPPORT, "key") == first
    assert set(chosen(ids, 10, Sample.SUPPORT, "other")) != set(first)
    assert set(chosen(ids, 10, Sample.VALIDATION, "key")) != set(first)


def test_a_form_takes_its_own_fields_and_all_that_it_needs() -> None:
    for kind in FormKind:
        given = {field.name: "said" for field in FIELDS[kind] if field.required}
        assert require_fields(kind, dict(reversed(given.items()))) == given
        assert list(require_fields(kind, dict(reversed(given.items())))) == list(given)
        with pytest.raises(UsageWrong, match="lacks"):
            require_fields(kind, dict(list(given.items())[1:]))
        with pytest.raises(UsageWrong, match="no field"):
            require_fields(kind, {**given, "extra": "said"})
