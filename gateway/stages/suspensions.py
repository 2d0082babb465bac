"""Suspending a partner and resuming it, as people of the console ask: the ledger keeps it, and every role takes it over within seconds.

A suspension in the partner's file is not touched: no role may write there. Raises NotFound for a partner that there is not, UsageWrong where that
makes no sense now, and what the ledger raises.
"""

from __future__ import annotations

from typing import Final

from gateway.domain.decision import Decision
from gateway.errors import NotFound, UsageWrong
from gateway.ledger import suspensions
from gateway.ledger.store import Transaction
from gateway.stages.context import StageContext
from gateway.stages.decisions import Decided

KIND: Final = "partner"


def suspend(context: StageContext, transaction: Transaction, code: str, decision: Decision) -> Decided:
    """Exchange nothing with the partner from now on."""
    settings = context.settings
    if code not in settings.codes:
        raise NotFound(f"There is no partner {code[:20]}.")
    if code in settings.stopped and (why := settings.stopped[code].by_file) is not None:
        raise UsageWrong(f"Partner {code} is suspended already, by its file: {why}")
    suspensions.suspend(transaction, code, decision)
    return Decided(KIND, code, code, "suspended")


def resume(_context: StageContext, transaction: Transaction, code: str, decision: Decision) -> Decided:
    """Exchange with the partner again; what waited goes on."""
    suspensions.resume(transaction, code, decision)
    return Decided(KIND, code, code, "resumed")
