"""How long what a site keeps is kept: the clocks, where each starts, and the moment before which it has run out.

The defaults and their sources are in docs/operators/retention.md. Pure: no clock, no I/O; raises nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

_DAY: Final = 86_400.0
_MONTHS: Final = 12
_SHORTEST: Final = 28


class Clock(StrEnum):
    """The settings of `[retention]`, each a number of days or of months."""

    DELIVERED = "delivered_days"
    UNANSWERED = "unanswered_days"
    SPOOL = "spool_days"
    QUARANTINE = "quarantine_months"
    TRANSFERS = "transfers_months"
    DECISIONS = "decisions_months"
    INCIDENTS = "incidents_months"
    RECEIPTS = "receipts_months"
    ACCESSES = "accesses_months"
    CHECKS = "checks_months"


class Kind(StrEnum):
    """What has a clock: files that are removed, and rows in which what may name people is erased."""

    DELIVERED = "delivered files"
    UNANSWERED = "delivered files without an answer"
    RETURNED = "returned files"
    RECEIPT_FILES = "receipt files"
    QUARANTINED = "quarantined files"
    INFECTED = "infected files"
    TRANSFERS = "transfers"
    CONSIGNMENTS = "consignments"
    RECEIPTS = "receipts"
    REQUESTS = "requests"
    REASONS = "reasons"
    INCIDENT_REASONS = "reasons about incidents"
    INCIDENTS = "quarantine records"
    HOLDS = "legal holds"
    PEOPLE = "people who have left"
    OPENINGS = "openings of payloads"
    CHECKS = "management checks"
    PRINTINGS = "printed reports of checks"
    INCIDENT_LOG = "incidents"
    CENTRAL_INCIDENTS = "incidents reported centrally"
    FORMS = "forms"


CLOCK: Final[Mapping[Kind, Clock]] = MappingProxyType(
    {
        Kind.DELIVERED: Clock.DELIVERED,
        Kind.UNANSWERED: Clock.UNANSWERED,
        Kind.RETURNED: Clock.SPOOL,
        Kind.RECEIPT_FILES: Clock.SPOOL,
        Kind.QUARANTINED: Clock.QUARANTINE,
        Kind.INFECTED: Clock.QUARANTINE,
        Kind.TRANSFERS: Clock.TRANSFERS,
        Kind.CONSIGNMENTS: Clock.TRANSFERS,
        Kind.RECEIPTS: Clock.RECEIPTS,
        Kind.REQUESTS: Clock.DECISIONS,
        Kind.REASONS: Clock.DECISIONS,
        Kind.INCIDENT_REASONS: Clock.INCIDENTS,
        Kind.INCIDENTS: Clock.INCIDENTS,
        Kind.HOLDS: Clock.DECISIONS,
        Kind.PEOPLE: Clock.DECISIONS,
        Kind.OPENINGS: Clock.ACCESSES,
        Kind.CHECKS: Clock.CHECKS,
        Kind.PRINTINGS: Clock.CHECKS,
        Kind.INCIDENT_LOG: Clock.ACCESSES,
        Kind.CENTRAL_INCIDENTS: Clock.INCIDENTS,
        Kind.FORMS: Clock.ACCESSES,
    }
)
"""Which clock each kind goes by."""

INCIDENT_EVENTS: Final = ("quarantine.discarded", "key.revoked", "consignment.quarantined", "receipt.refused")
"""Events of which a person's reason is kept as long as the record of an incident."""


@dataclass(frozen=True)
class Rule:
    """A kind and its clock as the site has set it; `until` is the moment up to which it has run out, None for never."""

    kind: Kind
    clock: Clock
    length: int
    until: float | None

    def __str__(self) -> str:
        return f"{self.clock} = {self.length}"


def rules(lengths: Mapping[str, int], now: float) -> tuple[Rule, ...]:
    """Every kind's rule at a moment, by the lengths of the clocks."""
    return tuple(Rule(kind, clock, lengths[clock], _until(clock, lengths[clock], now)) for kind, clock in CLOCK.items())


def _until(clock: Clock, length: int, now: float) -> float | None:
    if clock.endswith("_days"):
        return now - length * _DAY if length else None
    return months_before(now, length)


def months_before(now: float, months: int) -> float:
    """So many calendar months before a moment, in UTC; never later than that: the 31st becomes the 28th."""
    moment = datetime.fromtimestamp(now, UTC)
    year, month = divmod(moment.year * _MONTHS + moment.month - 1 - months, _MONTHS)
    day = min(moment.day, _SHORTEST)
    return moment.replace(year=max(year, 1970), month=month + 1, day=day).timestamp()
