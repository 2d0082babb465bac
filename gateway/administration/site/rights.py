"""Who may do what below HOME, where each role has an account of its own. Takes root.

Raises UsageWrong where one account runs everything, NotPermitted for anybody else than root.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from gateway.administration.requests import actors
from gateway.domain.decision import Decision
from gateway.errors import NotPermitted, UsageWrong
from gateway.logs import Logger
from gateway.settings import rights as table
from gateway.settings.model import Settings
from gateway.settings.rights import Difference

__all__ = ["Difference", "apply", "compare"]


def apply(settings: Settings, log: Logger, decision: Decision) -> Sequence[Difference]:
    """Make it as the table has it; what was not, and is now."""
    _require(settings)
    changed = table.apply(settings)
    if changed:
        actors.done(settings, log, "rights.applied", decision)
    return changed


def compare(settings: Settings) -> Sequence[Difference]:
    """What is not as the table has it."""
    _require(settings)
    return list(table.differences(settings))


def _require(settings: Settings) -> None:
    if not settings.accounts.split:
        raise UsageWrong("One account runs everything here ([accounts] split = false): there is nothing to share out.")
    if os.geteuid() != 0:
        raise NotPermitted("Only root may look everywhere, and give directories to the accounts of the roles.")
