"""The end of a file whose partner has no gateway: it was sent, and no receipt will come. Raises what the ledger raises."""

from __future__ import annotations

from functools import partial

from gateway.domain.states import Direction, State
from gateway.ledger.queries.consignments import carried
from gateway.ledger.store import Transaction
from gateway.ledger.tables import CONSIGNMENTS, TRANSFERS
from gateway.ledger.units import Consignment
from gateway.settings.home import Home


def note_unconfirmed(home: Home, transaction: Transaction, row: Consignment, event: int) -> None:
    """Note that the one file of a message without a manifest has come to its end."""
    ended = {"state": State.SENT, "expires": None, "code": None, "reason": None}
    done = {"key": row.key, **ended, "due": 0.0, "event": event}
    transaction.move(CONSIGNMENTS, Direction.OUT, State.SEALED, [done])
    for item in carried(transaction.connection, Direction.OUT, row.partner, row.id):
        if item.state != State.SEALED:
            continue
        told = transaction.record("transfer.unconfirmed", "transfer", item.id, item.partner, flow=item.flow)
        transaction.move(TRANSFERS, Direction.OUT, State.SEALED, [{"key": item.key, **ended, "event": told}])
    sealed = home.sealed_out / row.partner / f"{row.id}.pgp"
    transaction.afterwards.append(partial(sealed.unlink, missing_ok=True))
