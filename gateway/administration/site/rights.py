"""Who may do what below HOME, where each role has an account of its own. Takes root.

Raises UsageWrong where one account runs everything, NotPermitted for anybody else than root.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from gateway.errors import NotPermitted, UsageWrong
from gateway.settings import rights as table
from gateway.settings.model import Settings
from gateway.settings.rights import Difference

__all__ = ["Difference", "compare"]


def compare(settings: Settings, *, apply: bool) -> Sequence[Difference]:
    """What is not as the table has it; with `apply`, what was not, and is now."""
    if not settings.accounts.split:
        raise UsageWrong("One account runs everything here ([accounts] split = false): there is nothing to share out.")
    if os.geteuid() != 0:
        raise NotPermitted("Only root may look everywhere, and give directories to the accounts of the roles.")
    return table.apply(settings) if apply else list(table.differences(settings))
