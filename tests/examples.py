"""How many made-up cases a property is tried with: `make torture` tries the full count, `make test` a quarter of it."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import HealthCheck, settings

QUICK = "quick"
THOROUGH = "thorough"
_PERCENT = {QUICK: 25, THOROUGH: 100}
_FEWEST = 10
_ALLOWED = (HealthCheck.too_slow, HealthCheck.filter_too_much)
"""A busy machine is slow. And with few cases hypothesis begins with large ones, which filters refuse more often."""


def register_profiles() -> None:
    """The two profiles, the quick one loaded; `--hypothesis-profile=thorough` asks for the other.

    Nothing has a deadline, or is found too slow: a busy machine may take any time for one case.
    """
    for name, percent in _PERCENT.items():
        settings.register_profile(name, max_examples=percent, deadline=None, suppress_health_check=_ALLOWED)
    settings.load_profile(QUICK)


def examples(count: int, suppress_health_check: Sequence[HealthCheck] = ()) -> settings:
    """`@examples(300)`: try a property with 300 cases in the thorough profile, and with its share of them in the quick one."""
    return settings(max_examples=_share_of(count), suppress_health_check=(*_ALLOWED, *suppress_health_check))


def _share_of(count: int) -> int:
    """How many of so many cases the profile tries."""
    return max(min(count, _FEWEST), count * settings().max_examples // _PERCENT[THOROUGH])
