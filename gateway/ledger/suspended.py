"""Which partners people of the console suspended, as the chain tells. Plain drivers: whoever only asks does not wait for the library that writes.

What a partner's file says of it is another matter: `Settings.stopped` has both. Raises SiteMissing where there is no ledger, LedgerCorrupt, and
what `integrity.translate` gives.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from typing import Final

from gateway.ledger.capture import Driver
from gateway.ledger.integrity import BUSY_SECONDS, installed, require_file, translate
from gateway.ledger.place import Place

SUSPENDED: Final = "partner.suspended"
RESUMED: Final = "partner.resumed"

_QUERY: Final = """
SELECT substr(events.subject, 12), events.event, coalesce(reasons.text, '') FROM events LEFT JOIN reasons USING (sequence)
WHERE events.subject > 'suspension/' AND events.subject < 'suspension0' AND events.event IN (?, ?) ORDER BY events.sequence
"""
_ERASED: Final = "by a person of the console, whose reason was erased: its time was over"


def subject_of(partner: str) -> str:
    """What the chain calls the suspension of a partner. A command's events, of which the file is the record, are about the code alone."""
    return f"suspension/{partner}"


def suspended_by(driver: Driver) -> Mapping[str, str]:
    """The partners that are suspended by the ledger's word, and why."""
    found: dict[str, str] = {}
    for code, event, reason in driver.execute(_QUERY, (SUSPENDED, RESUMED)):
        if event == SUSPENDED:
            found[code] = reason or _ERASED
        else:
            found.pop(code, None)
    return found


def suspended_partners(ledger: Place, busy_seconds: float = BUSY_SECONDS) -> Mapping[str, str]:
    """The same, of the ledger in that file or database; LedgerBusy where somebody holds it for longer than that."""
    if isinstance(ledger, str):
        with installed():
            from gateway.ledger.postgresql.asking import driver_at  # noqa: PLC0415 - only where it is used
        with driver_at(ledger) as there:
            return suspended_by(there)
    require_file(ledger)
    try:
        with closing(sqlite3.connect(ledger, timeout=busy_seconds)) as driver:
            return suspended_by(driver)
    except sqlite3.Error as error:
        raise translate(error) from error
