"""How long the next attempt has to wait."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.administration.credentials.lockout import FORGOTTEN_SECONDS, Failures, Limits, of_address, of_person
from gateway.settings.console import ConsoleSettings

SETTINGS = ConsoleSettings()


@pytest.mark.parametrize(
    ("limits", "waits"),
    [
        (of_person(SETTINGS), [1, 2, 4, 8, 60, 120, 240, 480, 960, 1920, 3600, 3600]),
        (of_address(SETTINGS), [*[0] * 19, 60, 120, 240, 480, 960, 1920, 3600]),
        (of_person(ConsoleSettings(failures=2, lock_minutes=10, longest_lock_minutes=1)), [1, 600, 600]),
    ],
)
def test_waits_grow_from_seconds_to_the_longest(limits: Limits, waits: list[int]) -> None:
    assert [limits.wait(count) for count in range(1, len(waits) + 1)] == waits
    assert limits.wait(10_000) == limits.longest


@given(tries=st.lists(st.floats(0, 10_000), max_size=40))
def test_nobody_has_more_guesses_than_the_waits_leave_room_for(tries: list[float]) -> None:
    """Whatever the times at which somebody tries: between two attempts that are taken lies the wait of the first."""
    limits, known, now = of_person(SETTINGS), Failures(), 1e9
    taken: list[tuple[float, int]] = []
    for pause in tries:
        now += pause
        if limits.is_free(known, now):
            known = limits.failed(known, now)
            taken.append((now, known.count))
    for (before, count), (after, _) in pairwise(taken):
        assert after >= before + limits.wait(count)


def test_a_days_quiet_forgets_and_a_clock_that_was_set_back_locks_nobody_out() -> None:
    limits = of_person(SETTINGS)
    known = Failures(9, 0.0, 1e9)
    assert limits.failed(known, 1e9 + FORGOTTEN_SECONDS).count == 1
    assert limits.failed(known, 1e9 + FORGOTTEN_SECONDS - 1).count == 10
    later = limits.failed(known, 1e9)
    assert not limits.is_free(later, 1e9 + 1)
    assert limits.is_free(later, 1e9 - 10 * FORGOTTEN_SECONDS)
    assert limits.failed(later, 1e9 - 1).count == 1
