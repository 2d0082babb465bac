"""How much was taken from each partner within the last 24 hours, and whether that is as much as it may be.

The ledger says what was taken before this process started, files of names that no gateway gives included. Raises what the
ledger raises.
"""

from __future__ import annotations

from collections import defaultdict, deque
from typing import Final

from gateway.ledger.queries.landed import taken_since
from gateway.stages.context import StageContext

DAY: Final = 86_400.0


class DayTake:
    """The last day's takings, partner by partner. One file may go beyond the limit, or a large one would never be taken."""

    def __init__(self, context: StageContext) -> None:
        self._context = context
        self._taken: defaultdict[str, deque[tuple[float, int]]] | None = None
        self._limited: set[str] = set()

    def add(self, partner: str, size: int) -> None:
        """Note that a file of so many bytes was taken."""
        self._of(partner).append((self._context.clock(), size))

    def full_until(self, partner: str) -> float | None:
        """When the next file of the partner may be taken (seconds since 1970); None where it may be now."""
        now, limit, taken = self._context.clock(), self._context.settings.day_bytes(partner), self._of(partner)
        while taken and taken[0][0] <= now - DAY:
            taken.popleft()
        sum_ = sum(size for _, size in taken)
        if sum_ < limit:
            self._limited.discard(partner)
            return None
        if partner not in self._limited:
            self._limited.add(partner)
            self._context.log("partner.limited", partner=partner, bytes=sum_)
        for moment, size in taken:
            sum_ -= size
            if sum_ < limit:
                return moment + DAY
        return now + DAY

    def _of(self, partner: str) -> deque[tuple[float, int]]:
        if self._taken is None:
            found: defaultdict[str, deque[tuple[float, int]]] = defaultdict(deque)
            with self._context.ledger.read() as connection:
                for code, moment, size in taken_since(connection, self._context.clock() - DAY):
                    found[code].append((moment, size))
            self._taken = found
        return self._taken[partner]
