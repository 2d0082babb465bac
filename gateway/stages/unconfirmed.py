"""The end of a file whose partner has no gateway: it was sent, and no receipt will come. Raises what the ledger raises."""

from __future__ import annotations

from gateway.domain.states import Direction, State
from gateway.ledger.queries.consignments import carried
from gateway.ledger.store import Transaction
from gateway.ledger.tables import CONSIGNMENTS, TRANSFERS
from gateway.ledger.units import Consignment
from gateway.stages.context import StageContext
from gateway.stages.kept_files import let_go, sealed_file


def note_unconfirmed(context: StageContext, transaction: Transaction, row: Consignment, event: int) -> None:
    """Note that the one file of a message without a manifest has come to its end."""
    ended = {"state": State.SENT, "expires": None, "code": None, "reason": None}
    done = {"key": row.key, **ended, "due": 0.0, "event": event}
    transaction.move(CONSIGNMENTS, Direction.OUT, State.SEALED, [done])
    for item in carried(transaction.connection, Direction.OUT, row.partner, row.id):
        if item.state != State.SEALED:
            continue
        told = transaction.record("transfer.unconfirmed", "transfer", item.id, item.partner, flow=item.flow)
        transaction.move(TRANSFERS, Direction.OUT, State.SEALED, [{"key": item.key, **ended, "event": told}])
    let_go(transaction, context.payloads, sealed_file(context.home, row))
