"""Suspending partners by the ledger: writing it, and noticing that somebody did. Each is one event of the chain with who decided.

Raises UsageWrong where a partner is suspended already, or is not, and what reading the ledger raises.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Final

from gateway.domain.decision import Decision
from gateway.errors import UsageWrong
from gateway.ledger.engine import driver_of
from gateway.ledger.store import Ledger, Transaction
from gateway.ledger.suspended import RESUMED, SUSPENDED, subject_of, suspended_by

_EVERY: Final = 0.5
_NEWEST: Final = "SELECT coalesce(max(sequence), 0) FROM events"
_ANY: Final = "SELECT 1 FROM events WHERE sequence > ? AND event IN (?, ?) LIMIT 1"


def suspend(transaction: Transaction, partner: str, decision: Decision) -> None:
    """Suspend the partner."""
    if (why := suspended_by(driver_of(transaction.connection)).get(partner)) is not None:
        raise UsageWrong(f"Partner {partner} is suspended already: {why}")
    transaction.record(SUSPENDED, "site", subject_of(partner), partner, **decision.detail)


def resume(transaction: Transaction, partner: str, decision: Decision) -> None:
    """End that."""
    if partner not in suspended_by(driver_of(transaction.connection)):
        raise UsageWrong(f"Partner {partner} is not suspended by the ledger's word.")
    transaction.record(RESUMED, "site", subject_of(partner), partner, **decision.detail)


class SuspensionWatch:
    """Notices that a partner was suspended or resumed since it was made, or since `reasons` was asked for last. For any number of threads;
    `monotonic` gives seconds that never go back.
    """

    def __init__(self, ledger: Ledger, monotonic: Callable[[], float]) -> None:
        self._ledger = ledger
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._seen = 0
        self._looked = 0.0
        self._changed = True

    def reasons(self) -> Mapping[str, str]:
        """The partners that are suspended by the ledger's word now, and why."""
        with self._lock, self._ledger.read() as connection:
            driver = driver_of(connection)
            self._seen, self._changed = driver.execute(_NEWEST).fetchone()[0], False
            return suspended_by(driver)

    def changed(self, *, at_once: bool = True) -> bool:
        """Whether that is another set than `reasons` gave last; with `at_once` False, as it was known half a second ago at most."""
        with self._lock:
            now = self._monotonic()
            if self._changed or (not at_once and now - self._looked < _EVERY):
                return self._changed
            self._looked = now
            with self._ledger.read() as connection:
                driver = driver_of(connection)
                newest = driver.execute(_NEWEST).fetchone()[0]
                if newest != self._seen:
                    self._changed = driver.execute(_ANY, (self._seen, SUSPENDED, RESUMED)).fetchone() is not None
                    self._seen = newest
            return self._changed
