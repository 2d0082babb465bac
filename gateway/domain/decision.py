"""Who decides, and why: what every event of a person's decision says. Pure; raises nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Decision:
    """`actor` is the name of the log-in, `account` that of the account that acted where it is another, and `known_by` what the
    log-in is known by (`linux.caller.KnownBy`). `second` is who agreed, where it takes two people. Handing a file over takes no reason.
    """

    actor: str
    reason: str = ""
    account: str | None = None
    known_by: str | None = None
    second: str | None = None

    @property
    def detail(self) -> dict[str, Any]:
        """As `Transaction.record` takes it: `why` are words of a person, which enter the chain as a salted digest."""
        who = {"actor": self.actor, "account": self.account, "known_by": self.known_by, "second": self.second}
        return {**who, "why": self.reason or None}
