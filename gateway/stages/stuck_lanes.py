"""Stuck lanes: an alarm after so many equal failures of a lane in a row, and again each day.

Raises what the ledger raises. The events of the chain are counted (`ledger.queries.failing_lanes`), so the count outlives the
role; the first success ends it.
"""

from __future__ import annotations

from typing import Final

from gateway.errors import GatewayError, UploadVanished
from gateway.ledger.queries.failing_lanes import FEW, STUCK, alarms, streak
from gateway.ledger.store import Transaction
from gateway.stages.context import StageContext

_AGAIN_AFTER: Final = 86400.0


def times_in_a_row(transaction: Transaction, partner: str, error: GatewayError) -> int:
    """How often the lane has failed in a row by this error, with this time, which is not recorded yet."""
    transaction.flush()
    run = streak(transaction.connection, partner)
    return 1 if run is None or run.code != error.code else run.times + 1


def next_try(context: StageContext, error: GatewayError, attempts: int, times: int) -> float:
    """When to try again after `attempts` failures, `times` of them by this error.

    An upload that vanished may have left a copy with the partner, so after a few such failures the pause is the longest.
    """
    if isinstance(error, UploadVanished) and times >= FEW:
        return context.clock() + context.settings.link.retry_cap_seconds * (1.0 + context.random_float()) / 2.0
    return context.retry_at(attempts)


def alarm_if_stuck(context: StageContext, transaction: Transaction, partner: str) -> None:
    """Record the alarms that are due, after the failure is recorded."""
    transaction.flush()
    for trouble in alarms(transaction.connection, partner, context.settings.link.alarm_failures):
        # An alarm in the future, by a clock that was put back, must not silence this one.
        if trouble.told is None or abs(transaction.now - trouble.told) >= _AGAIN_AFTER:
            transaction.record(
                STUCK, "lane", trouble.subject, partner, code=trouble.code, reason=trouble.reason, count=trouble.times
            )
