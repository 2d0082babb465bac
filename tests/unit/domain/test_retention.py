"""The clocks of retention: calendar months, days that may be never, and one clock for every kind."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from gateway.domain.retention import CLOCK, Clock, Kind, months_before, rules
from gateway.settings.upkeep import RetentionSettings


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("now", "months", "then"),
    [
        ("2026-11-28T12:30:00", 14, "2025-09-28T12:30:00"),
        ("2027-03-31T00:00:00", 1, "2027-02-28T00:00:00"),
        ("2028-02-29T00:00:00", 12, "2027-02-28T00:00:00"),
        ("2027-01-15T00:00:00", 1, "2026-12-15T00:00:00"),
        ("2030-06-01T00:00:00", 72, "2024-06-01T00:00:00"),
    ],
)
def test_months_are_calendar_months_and_never_shorter(now: str, months: int, then: str) -> None:
    assert months_before(at(now), months) == at(then)


def test_every_kind_has_a_clock_and_every_clock_a_setting() -> None:
    assert set(CLOCK) == set(Kind)
    assert set(CLOCK.values()) == set(Clock)
    assert {str(clock) for clock in Clock} == set(RetentionSettings.model_fields) - {"compact_days"}


def test_no_days_are_never() -> None:
    lengths = {str(clock): 0 if clock is Clock.SPOOL else 30 for clock in Clock}
    found = {rule.kind: rule for rule in rules(lengths, at("2026-11-28T00:00:00"))}
    assert found[Kind.RETURNED].until is None
    assert found[Kind.DELIVERED].until == at("2026-10-29T00:00:00")
    assert str(found[Kind.TRANSFERS]) == "transfers_months = 30"
