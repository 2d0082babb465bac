"""A limit in bytes a second on all that goes to and comes from one partner, over however many connections.

Raises nothing. Safe to share between threads: each piece is booked in the order of asking, so parallel connections get equal
parts. In any period no more passes than the rate allows and one burst. A thread that wakes late passes its piece late.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

_LARGEST_PIECE: Final = 128 * 1024
_PIECES_A_SECOND: Final = 8
"""A thread never sleeps much longer than a piece of each connection takes, so that it can be stopped."""


class Bandwidth:
    """`clock` counts seconds and never goes back; `sleep` waits for so many."""

    def __init__(self, bytes_per_second: int, clock: Callable[[], float], sleep: Callable[[float], None]) -> None:
        self.bytes_per_second = bytes_per_second
        self.piece = max(1, min(_LARGEST_PIECE, bytes_per_second // _PIECES_A_SECOND))
        self.burst = max(self.piece, bytes_per_second // _PIECES_A_SECOND)
        self._clock = clock
        self._sleep = sleep
        self._lock = threading.Lock()
        self._booked = float("-inf")

    def take(self, size: int) -> float:
        """Wait until `size` bytes, at most a burst, may pass; the seconds that this took."""
        with self._lock:
            now = self._clock()
            # What was not used is saved up, but never more than a burst.
            self._booked = max(self._booked, now - self.burst / self.bytes_per_second) + size / self.bytes_per_second
            wait = self._booked - now
        if wait > 0:
            self._sleep(wait)
        return max(wait, 0.0)
