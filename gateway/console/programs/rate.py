"""How often somebody may ask: a bucket for each, which fills at a steady rate, and out of which each request takes one. In memory; raises nothing."""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Final

_MOST: Final = 10_000
"""Buckets: with more, those that were not used for longest are forgotten, and are full again."""


class Buckets:
    """Each holds what comes in a minute. For any number of threads."""

    def __init__(self, per_minute: float) -> None:
        self._per_minute = per_minute
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = Lock()

    def take(self, who: str, now: float) -> float:
        """Take one: 0 where there was one, else for how many seconds to wait. A clock that is set back fills nothing."""
        with self._lock:
            left, then = self._buckets.pop(who, (self._per_minute, now))
            left = min(self._per_minute, left + max(now - then, 0.0) * self._per_minute / 60)
            wait = 0.0 if left >= 1 else (1 - left) * 60 / self._per_minute
            self._buckets[who] = (left if wait else left - 1, now)
            while len(self._buckets) > _MOST:
                self._buckets.popitem(last=False)
            return wait


class Places:
    """How many requests of each may wait at once."""

    def __init__(self, each: int, all_together: int) -> None:
        self._each = each
        self._all = all_together
        self._taken: dict[str, int] = {}
        self._lock = Lock()

    def take(self, who: str) -> bool:
        """Take one; False where there is none left."""
        with self._lock:
            mine = self._taken.get(who, 0)
            if mine >= self._each or sum(self._taken.values()) >= self._all:
                return False
            self._taken[who] = mine + 1
            return True

    def give_back(self, who: str) -> None:
        """One is free again."""
        with self._lock:
            left = self._taken[who] - 1
            if left:
                self._taken[who] = left
            else:
                del self._taken[who]
