"""A lane that can never work does not look well: an alarm after so many equal failures in a row, and again each day.

Raises what the ledger raises. The count is the chain's (`ledger.failing`), so it outlives the role; the first success ends it.
"""

from __future__ import annotations

from typing import Final

from gateway.errors import GatewayError, UploadVanished
from gateway.ledger.queries.failing_lanes import FEW, STUCK, alarm, streak
from gateway.ledger.store import Transaction
from gateway.stages.context import StageContext

_AGAIN_AFTER: Final = 86400.0


def times_in_a_row(transaction: Transaction, partner: str, error: GatewayError) -> int:
    """How often the lane has failed by the same error, this time included, which is not written down yet."""
    transaction.flush()
    run = streak(transaction.connection, partner)
    return 1 if run is None or run.code != error.code else run.times + 1


def next_try(context: StageContext, error: GatewayError, attempts: int, times: int) -> float:
    """When to try again after `attempts` failures, `times` of them by this error.

    An upload that vanished has left a copy with the partner: after a few, the longest pause lies between two.
    """
    if isinstance(error, UploadVanished) and times >= FEW:
        return context.clock() + context.settings.link.retry_cap_seconds * (1.0 + context.random_float()) / 2.0
    return context.retry_at(attempts)


def tell(context: StageContext, transaction: Transaction, partner: str) -> None:
    """Record the alarm where it is due; what failed is written down already."""
    transaction.flush()
    trouble = alarm(transaction.connection, partner, context.settings.link.alarm_failures)
    # A clock that was put back must not silence it: what was told in the future was told long ago.
    if trouble is None or (trouble.told is not None and abs(transaction.now - trouble.told) < _AGAIN_AFTER):
        return
    transaction.record(
        STUCK, "lane", trouble.subject, partner, code=trouble.code, reason=trouble.reason, count=trouble.times
    )
