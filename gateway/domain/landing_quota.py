"""When too much lies in a partner's landing: a partner must not fill this site's disk. Pure; raises nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.settings.model import LandingQuota

_AGAIN: Final = 0.5
"""A partner that was shut out is let in again when no more than so much of its quota is taken: not at every file."""

NEARLY_FULL: Final = 0.8
"""From so much of a quota on a person is told."""


@dataclass(frozen=True)
class LandingUsage:
    """What lies in a landing: bytes and files, those that are being written included."""

    bytes: int
    files: int

    def filled(self, quota: LandingQuota) -> float:
        """How much of the quota is taken, by bytes or by files, whichever is more; above 1 it is too much."""
        return max(self.bytes / quota.bytes, self.files / quota.files)

    def shuts_out(self, quota: LandingQuota, *, is_shut_out: bool) -> bool:
        """Whether the partner may not log in; `is_shut_out` says how it was until now."""
        return self.filled(quota) > (_AGAIN if is_shut_out else 1.0)
