"""Backoff: never more than the cap, never a herd."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.retry import delay, is_due

chances = st.floats(0, 1, exclude_max=True)


@given(st.integers(-5, 10**9), chances, st.floats(0.1, 60), st.floats(60, 3600))
def test_delay_lies_between_nothing_and_the_cap(attempt: int, fraction: float, base: float, cap: float) -> None:
    assert 0 <= delay(attempt, base=base, cap=cap, random_float=fraction) <= cap


@given(st.integers(1, 60), chances)
def test_first_delays_double_until_the_cap(attempt: int, fraction: float) -> None:
    expected = fraction * min(900.0, 2.0 ** (attempt - 1))
    assert delay(attempt, base=1.0, cap=900.0, random_float=fraction) == expected


@given(st.integers(1, 100))
def test_jitter_is_full(attempt: int) -> None:
    assert delay(attempt, base=1.0, cap=900.0, random_float=0.0) == 0.0


def test_a_moment_has_come_when_it_is_past_or_further_ahead_than_anybody_can_have_set_it() -> None:
    assert is_due(10.0, 10.0, 30.0)
    assert not is_due(10.1, 10.0, 30.0)
    assert not is_due(40.0, 10.0, 30.0)
    assert is_due(40.1, 10.0, 30.0)
