"""When to try again: exponential backoff with full jitter, so that 300 partners do not come back at the same moment.

And whether a moment that was set earlier has come, whatever the clock did meanwhile.
"""

from __future__ import annotations


def delay(attempt: int, *, base: float, cap: float, random_float: float) -> float:
    """Seconds to wait after the attempt number `attempt` (1 is the first); `random_float` is uniform in [0, 1).

    Full jitter: a uniform draw between nothing and min(cap, base * 2^(attempt-1)).
    """
    # 2**64 already exceeds every cap; bounding the exponent keeps a year of failures from overflowing a float.
    return random_float * min(cap, base * 2.0 ** min(max(attempt, 1) - 1, 64))


def is_due(moment: float, now: float, longest: float) -> bool:
    """Whether a moment that was set at most `longest` seconds ahead has come.

    One that lies further ahead than that was set by a clock that has been put back since: waiting for it could take days.
    """
    return not now < moment <= now + longest
