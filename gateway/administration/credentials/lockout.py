"""How long after attempts that failed the next one has to wait. Pure; raises nothing.

An attempt is counted before it is made, as failed, and taken back where it succeeds: so many guesses at once are one. A person waits
1, 2, 4, ... seconds after the first ones, and from the limit on for the lock-out, twice as long each time. An address is many people's: it
waits from its own limit on alone. Attempts of a day ago are forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.settings.console import ConsoleSettings

FORGOTTEN_SECONDS: Final = 86_400.0
MANY: Final = 4
"""An address may fail so many times as often as a person."""
_LONGEST_POWER: Final = 30


@dataclass(frozen=True)
class Failures:
    """Attempts in a row that failed: how many, when the next one is taken, and when the last one was. Seconds since 1970."""

    count: int = 0
    free_at: float = 0.0
    last: float = 0.0


@dataclass(frozen=True)
class Limits:
    """From `limit` failures on the wait is `first` seconds, twice as long with each more, at most `longest`; `gentle` waits a few
    seconds before that.
    """

    limit: int
    first: float
    longest: float
    gentle: bool

    def wait(self, count: int) -> float:
        """Seconds from the failure of that number to the next attempt."""
        if count >= self.limit:
            return min(self.first * 2.0 ** min(count - self.limit, _LONGEST_POWER), self.longest)
        return min(2.0 ** max(count - 1, 0), self.first) if self.gentle else 0.0

    def is_free(self, failures: Failures, now: float) -> bool:
        """Whether an attempt is taken now. A wait that is longer than any was set before the clock was set back."""
        return not now < failures.free_at <= now + self.longest

    def failed(self, failures: Failures, now: float) -> Failures:
        """One failure more, now."""
        known = failures.count if 0 <= now - failures.last < FORGOTTEN_SECONDS else 0
        return Failures(known + 1, now + self.wait(known + 1), now)


def of_person(settings: ConsoleSettings) -> Limits:
    """The limits of one user id."""
    return Limits(settings.failures, settings.lock_minutes * 60.0, _longest(settings), gentle=True)


def of_address(settings: ConsoleSettings) -> Limits:
    """The limits of one address."""
    return Limits(settings.failures * MANY, settings.lock_minutes * 60.0, _longest(settings), gentle=False)


def _longest(settings: ConsoleSettings) -> float:
    return max(settings.longest_lock_minutes, settings.lock_minutes) * 60.0
