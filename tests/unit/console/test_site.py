"""What a console keeps for a moment is of one site, and for a moment."""

from __future__ import annotations

from itertools import count

from gateway.console.site import Kept


def test_what_takes_long_is_looked_at_once_a_moment_and_anew_where_the_clock_was_set_back() -> None:
    kept, other, number = Kept[int](), Kept[int](), count()

    def look() -> int:
        return next(number)

    assert [kept.look(now, look) for now in (100.0, 101.9, 102.0, 102.5, 90.0)] == [0, 0, 1, 1, 2]
    assert other.look(90.0, look) == 3


def test_what_was_not_found_is_looked_at_again() -> None:
    kept = Kept[int]()

    def fails() -> int:
        raise OSError

    for _ in range(2):
        try:
            kept.look(0.0, fails)
        except OSError:
            continue
        raise AssertionError("nothing was found")
    assert kept.look(0.0, lambda: 7) == 7
