"""Waiting for the ledger before the first step: for whoever holds it, and for its server. Raises what is not worth a wait."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from gateway.errors import LedgerAway, LedgerBusy
from gateway.logs import Logger

_Given = TypeVar("_Given")
_PAUSE: Final = 1.0
"""Seconds between two attempts; at a lock each waits for half a minute itself (`ledger.integrity`)."""


def once_free(
    action: Callable[[], _Given], log: Logger, wait: Callable[[float], object], stopping: Callable[[], bool]
) -> _Given:
    """What `action` gives, once nobody holds the ledger for too long any more and its server is there; LedgerBusy and
    LedgerAway only where the role is to stop.

    The wait is told once: both pass, and what a role does before its first step may be done again.
    """
    told = False
    while True:
        try:
            return action()
        except (LedgerBusy, LedgerAway) as error:
            if stopping():
                raise
            if not told:
                what = "another process holds the ledger" if isinstance(error, LedgerBusy) else error.reason
                log.warning("work.deferred", code=error.code, reason=f"{what}: it is waited for")
            told = True
            wait(_PAUSE)
