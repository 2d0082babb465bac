"""What becomes of a consignment or a receipt whose stage ended in an error: one place for all stages.

The error's disposition and the itinerary decide (`transfer.states.advance`); this writes it down. Transfers are moved in
batches by their own stages.
"""

from __future__ import annotations

from contextlib import suppress

from gateway.domain.states import ITINERARIES, POISON_CLAIMS, Move, advance
from gateway.errors import Disposition, GatewayError, PoisonFile
from gateway.ledger.store import TABLES, Transaction
from gateway.ledger.units import Consignment, Parcel
from gateway.stages.context import StageContext


def claim(context: StageContext, kind: str, row: Parcel, claimed: set[int]) -> PoisonFile | None:
    """Count the attempt before it starts; the error that holds the unit where too many attempts never ended.

    `claimed` holds the keys of the units that this process is trying. One that is there already was tried before, and the
    result could not be written down, since the ledger was full or locked: that attempt is counted, and ended no process.
    """
    if row.claims and row.key in claimed:
        return None
    if row.claims >= POISON_CLAIMS:
        return PoisonFile(f"{row.claims} attempts ended their process")
    with context.ledger.write() as transaction:
        transaction.claim(TABLES[kind], [row.key])
    claimed.add(row.key)
    return None


def pass_halt_on(context: StageContext, kind: str, row: Parcel, error: GatewayError) -> None:
    """Raise `error` where the whole gateway must stop. The attempt has ended, so it does not count against the unit:
    a gateway that is started again three times halts three times, and does not end in taking the unit for poison.
    """
    if error.disposition is not Disposition.HALT:
        return
    with suppress(GatewayError), context.ledger.write() as transaction:
        transaction.set(TABLES[kind], [row.key], claims=row.claims)
    raise error


def failed(context: StageContext, transaction: Transaction, kind: str, row: Parcel, error: GatewayError) -> Move:
    """Move a consignment or a receipt after `error`, with its event; a Halt is raised."""
    direction, state = row.direction, row.state
    move = advance(ITINERARIES[kind, direction], state, error, expired=_expired(context, row))
    identity = row.id if isinstance(row, Consignment) else row.consignment
    name = "work.deferred" if move.retry else f"{kind}.{move.state}"
    event = transaction.record(
        name, kind, identity, row.partner, code=move.code, reason=move.reason, state=str(move.state)
    )
    attempts = row.attempts + 1 if move.retry else 0
    transaction.move(
        TABLES[kind],
        direction,
        state,
        [
            {
                "key": row.key,
                "state": move.state,
                "resume": move.resume,
                "code": move.code,
                "reason": move.reason,
                "attempts": attempts,
                "due": context.retry_at(attempts) if move.retry else 0.0,
                "event": event,
            }
        ],
    )
    return move


def _expired(context: StageContext, row: Parcel) -> bool:
    return isinstance(row, Consignment) and row.expires is not None and row.expires <= context.clock()
