"""The calendar of the extract: second Thursdays, months of names, and how a month stands."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.calendar import (
    Delivery,
    Month,
    Standing,
    account,
    day_of,
    entry,
    first_expected,
    month_in,
    month_of,
)

MONTHS = st.builds(Month, st.integers(2000, 2098), st.integers(1, 12))
DAYS = st.dates(date(2000, 1, 1), date(2098, 12, 31))
WAIT = st.integers(0, 40)


def at(day: date, hour: int = 12) -> float:
    return datetime(day.year, day.month, day.day, hour, tzinfo=UTC).timestamp()


def delivery(day: date, name: str = "extract.csv", transfer: str = "a") -> Delivery:
    return Delivery(transfer, name, at(day))


@given(MONTHS)
def test_the_reference_date_is_the_second_thursday_of_its_month(month: Month) -> None:
    day = month.reference_date
    thursdays = [number for number in range(1, day.day + 1) if date(month.year, month.number, number).isoweekday() == 4]
    assert (Month.of(day), len(thursdays), thursdays[-1]) == (month, 2, day.day)


@pytest.mark.parametrize(
    ("month", "day"), [("2013-05", date(2013, 5, 9)), ("2026-10", date(2026, 10, 8)), ("2026-11", date(2026, 11, 12))]
)
def test_known_reference_dates(month: str, day: date) -> None:
    assert Month.parse(month).reference_date == day


@given(MONTHS)
def test_months_follow_each_other_and_are_read_back_as_written(month: Month) -> None:
    assert month.after.before == month == month.before.after == Month.parse(str(month))
    assert month.before < month < month.after


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-13", "2026-1", "0000-01", "november 2026", "2026-11-01", "２０２６-11"]
)
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="2026-11"):
        Month.parse(text)


@pytest.mark.parametrize(
    ("name", "month"),
    [
        ("hb9991_SHBE_555086k May 2013.csv", "2013-05"),
        ("hbE09000030_SHBE_1a November 2026.csv", "2026-11"),
        ("shbe_NOV-2026.csv", "2026-11"),
        ("SHBE Sep2026.csv", "2026-09"),
        ("extract_2026-03.csv", "2026-03"),
        ("extract 2026-03-12.csv", "2026-03"),
        ("March 2025 resent as April 2025.csv", "2025-04"),
        ("Dismay 2013.csv", None),
        ("extract 202603.csv", None),
        ("May 20133.csv", None),
        ("extract.csv", None),
    ],
)
def test_the_month_of_a_name(name: str, month: str | None) -> None:
    assert month_in(name) == (None if month is None else Month.parse(month))


@given(st.text(max_size=60), DAYS)
def test_no_name_makes_an_extract_belong_to_a_month_ahead(name: str, received: date) -> None:
    assert month_of(name, received) <= Month.of(received)


@given(DAYS)
def test_without_a_month_in_its_name_an_extract_belongs_to_the_last_reference_date(received: date) -> None:
    month = month_of("extract.csv", received)
    assert month.reference_date <= received < month.after.reference_date


def test_a_name_with_a_month_ahead_is_not_believed() -> None:
    assert month_of("SHBE December 2026.csv", date(2026, 11, 20)) == Month(2026, 11)
    assert month_of("SHBE November 2026.csv", date(2026, 11, 2)) == Month(2026, 11)


@given(MONTHS, WAIT, st.integers(-50, 90))
def test_a_month_without_an_extract_is_due_until_its_deadline_and_missing_afterwards(
    month: Month, days: int, shift: int
) -> None:
    today = month.reference_date + timedelta(days=shift)
    standing = entry("E1", month, (), today=today, days=days).standing
    assert standing is (Standing.DUE if shift <= days else Standing.MISSING)


@given(MONTHS, WAIT, st.lists(st.integers(-20, 90), min_size=1, max_size=5), st.randoms())
def test_the_first_extract_decides_about_lateness_and_the_last_one_counts(
    month: Month, days: int, shifts: list[int], random: object
) -> None:
    came = [
        delivery(month.reference_date + timedelta(days=shift), transfer=str(number))
        for number, shift in enumerate(sorted(shifts))
    ]
    shuffled = sorted(came, key=lambda _: random.random())  # type: ignore[attr-defined]  # a Random of hypothesis's own
    made = entry("E1", month, shuffled, today=date(2098, 12, 31), days=days)
    assert made.standing is (Standing.RECEIVED if min(shifts) <= days else Standing.LATE)
    assert made.counts is not None
    assert made.counts.transfer == str(len(shifts) - 1)
    assert len(made.replaced) == len(shifts) - 1
    assert made.resubmitted == (len(shifts) > 1)


def test_the_last_second_of_the_deadline_is_in_time_and_the_next_one_is_not() -> None:
    month, days = Month(2026, 11), 7
    end = datetime(2026, 11, 20, tzinfo=UTC).timestamp()
    for moment, standing in ((end - 0.001, Standing.RECEIVED), (end, Standing.LATE)):
        made = entry("E1", month, [Delivery("a", "x.csv", moment)], today=day_of(end), days=days)
        assert made.standing is standing


@given(DAYS, WAIT)
def test_a_new_partner_is_first_expected_in_a_month_that_it_can_still_meet(seen: date, days: int) -> None:
    month = first_expected(seen, days)
    assert month.deadline(days) >= seen
    assert month.before.deadline(days) < seen or month == Month.of(seen).before


def test_the_account_has_every_expected_month_and_every_one_for_which_something_came() -> None:
    made = account(
        {"E1": Month(2026, 10), "E2": Month(2026, 11)},
        [
            ("E1", delivery(date(2026, 10, 9), "SHBE October 2026.csv", "first")),
            ("E1", delivery(date(2026, 10, 20), "SHBE October 2026 again.csv", "second")),
            ("E2", delivery(date(2026, 11, 25), "SHBE September 2026.csv", "old")),
            ("GONE", delivery(date(2026, 10, 9), "SHBE October 2026.csv", "gone")),
            ("E1", delivery(date(2026, 8, 20), "SHBE August 2026.csv", "before")),
        ],
        since=Month(2026, 9),
        until=Month(2026, 11),
        today=date(2026, 11, 15),
        days=7,
    )
    assert [(str(line.month), line.partner, line.standing.value, line.resubmitted) for line in made] == [
        ("2026-09", "E2", "late", False),
        ("2026-10", "E1", "received", True),
        ("2026-10", "GONE", "received", False),
        ("2026-11", "E1", "due", False),
        ("2026-11", "E2", "due", False),
    ]
    assert [replaced.transfer for replaced in made[1].replaced] == ["first"]
