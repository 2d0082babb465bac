"""Legal holds as people and scripts are shown them. Raises nothing of its own; nothing is changed."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.domain.identity import to_text
from gateway.ledger.units import LegalHold


@dataclass(frozen=True)
class LegalHoldView:
    """A legal hold: `kind` is transfer, consignment, quarantine, or partner for everything of one."""

    id: str
    kind: str
    unit: str
    partner: str
    reason: str
    placed: str


def legal_hold(row: LegalHold) -> LegalHoldView:
    """A legal hold as people are shown it."""
    return LegalHoldView(row.id, row.kind, row.unit, row.partner, row.reason, to_text(row.created))
