"""Overdue receipts: resends consignments whose receipts do not come, and expires what is past its limit.

A consignment whose receipt is overdue is sent again with the same bytes. Past its expiry, and the time that a receipt may
take, its transfers expire and their operators get the files back. The stage also raises the alarm about gaps in a partner's
sequence numbers, and makes due what waits for a moment that a wrong clock has set (`clock_guard`).
"""

from __future__ import annotations

from functools import partial
from typing import Final

from gateway.domain.retry import is_due
from gateway.domain.states import Direction, State
from gateway.errors import TransferExpired
from gateway.ledger.queries import consignments, deadlines
from gateway.ledger.store import Transaction
from gateway.ledger.tables import CONSIGNMENTS, TRANSFERS
from gateway.ledger.units import Consignment, Transfer
from gateway.stages.clock_guard import bring_forward
from gateway.stages.context import BATCH, StageContext, Step
from gateway.stages.kept_files import let_go, sealed_file, sealed_path

_EVERY: Final = 30.0
_GAP_SECONDS: Final = 3600.0
"""How long a sequence number may be missing before the alarm: consignments may overtake each other."""


class OverdueReceipts:
    """Sent to sealed again or expired, and whatever else has waited too long to expired; twice a minute."""

    name = "overdue-receipts"

    def __init__(self, context: StageContext) -> None:
        self._context = context
        self._next = 0.0
        self._decided = 0

    def step(self) -> Step:
        now = self._context.clock()
        if not is_due(self._next, now, _EVERY):
            return Step(due=self._next)
        self._next = now + _EVERY
        done = bring_forward(self._context, now) + self._resend(now) + self._expire(now) + self._find_gaps(now)
        return Step(done=done, due=self._next)

    def close(self) -> None:
        pass

    def _resend(self, now: float) -> int:
        context = self._context
        with context.ledger.read() as connection:
            rows = deadlines.overdue(connection, now, BATCH)
        if rows:
            with context.ledger.write() as transaction:
                for row in rows:
                    event = transaction.record(
                        "consignment.overdue", "consignment", row.id, row.partner, log={"attempt": row.resends + 1}
                    )
                    change = {
                        "key": row.key,
                        "state": State.SEALED,
                        "resends": row.resends + 1,
                        "due": 0.0,
                        "event": event,
                    }
                    transaction.move(CONSIGNMENTS, Direction.OUT, State.SENT, [change])
                    transaction.move_with(row, State.SENT, State.SEALED, event)
        return len(rows)

    def _expire(self, now: float) -> int:
        context = self._context
        grace = context.settings.link.receipt_overdue_hours * 3600.0
        with context.ledger.read() as connection:
            unanswered = deadlines.expired(connection, Consignment, [State.PACKED, State.SEALED], now, BATCH)
            unanswered += deadlines.expired(connection, Consignment, [State.SENT], now - grace, BATCH)
            waiting = [State.ADMITTED, State.VALIDATED, State.HELD]
            transfers = deadlines.expired(connection, Transfer, waiting, now, BATCH)
        if unanswered or transfers:
            with context.ledger.write() as transaction:
                for row in unanswered:
                    self._expire_consignment(transaction, row)
                self._expire_transfers(transaction, transfers)
        return len(unanswered) + len(transfers)

    def _expire_consignment(self, transaction: Transaction, row: Consignment) -> None:
        state = row.state
        event = transaction.record("consignment.expired", "consignment", row.id, row.partner)
        change = {"key": row.key, "state": State.EXPIRED, "code": TransferExpired.code, "event": event}
        transaction.move(CONSIGNMENTS, Direction.OUT, state, [change])
        carried = consignments.carried(transaction.connection, Direction.OUT, row.partner, row.id)
        self._expire_transfers(transaction, [item for item in carried if item.state == state])
        if row.sealed_sha256 is None:  # what an attempt that broke off has left
            transaction.afterwards.append(partial(sealed_path(self._context.home, row).unlink, missing_ok=True))
        else:
            let_go(transaction, self._context.payloads, sealed_file(self._context.home, row))

    def _expire_transfers(self, transaction: Transaction, rows: list[Transfer]) -> None:
        error = TransferExpired()
        for state in {row.state for row in rows}:
            changes = [
                {
                    "key": row.key,
                    "state": State.EXPIRED,
                    "code": error.code,
                    "reason": error.reason,
                    "event": transaction.record(
                        "transfer.expired", "transfer", row.id, row.partner, flow=row.flow, code=error.code
                    ),
                }
                for row in rows
                if row.state == state
            ]
            transaction.move(TRANSFERS, Direction.OUT, State(state), changes)

    def _find_gaps(self, now: float) -> int:
        with self._context.ledger.read() as connection:
            gaps, decided = consignments.gaps(connection, now - _GAP_SECONDS, self._decided)
        if gaps:
            with self._context.ledger.write() as transaction:
                for partner, missing in gaps:
                    transaction.record("sequence.gap-found", "lane", f"{partner}/{missing}", partner, sequence=missing)
        self._decided = decided
        return 0
