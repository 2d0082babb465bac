"""Lost files: a unit whose file the site's store has lost, or has altered, waits by itself, with an alarm, until the file is put back.

Nothing else waits for it. Raises what the ledger raises.
"""

from __future__ import annotations

from gateway.domain.identity import to_text
from gateway.errors import StoreFileLost
from gateway.ledger.queries.lost_files import ENDED
from gateway.ledger.store import TABLES, Transaction
from gateway.ledger.units import Consignment, Receipt, Transfer
from gateway.stages.context import StageContext
from gateway.stages.stuck_lanes import alarm_if_stuck


def put_off(
    context: StageContext, transaction: Transaction, row: Transfer | Consignment | Receipt, error: StoreFileLost
) -> float:
    """Let the unit wait for its next try; when that is. What it ended in stays as it was, where it has ended."""
    attempts = row.attempts + 1
    due = context.retry_at(attempts)
    transaction.record(
        "work.deferred",
        row.kind,
        row.consignment if isinstance(row, Receipt) else row.id,
        row.partner,
        code=error.code,
        reason=error.reason,
        log={"attempt": attempts, "due": to_text(due), "remedy": error.remedy},
    )
    why = {} if row.state in ENDED else {"due": due, "code": error.code, "reason": error.reason}
    transaction.set(TABLES[row.kind], [row.key], attempts=attempts, **why)
    alarm_if_stuck(context, transaction, row.partner)
    return due
