"""Attempts: how often a consignment or a receipt was tried, and what becomes of it after an error, for all stages.

The error's disposition and the itinerary decide (`domain.states.advance`); this writes it down. Stages move transfers in
batches themselves. Raises what the ledger raises, DiskFailed for a file that cannot be locked away, and every Halt.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from gateway.domain.states import ITINERARIES, POISON_CLAIMS, Move, State, advance
from gateway.errors import DiskFailed, Disposition, GatewayError, PoisonFile, Quarantine, StoreFileLost
from gateway.ledger.store import TABLES, Transaction
from gateway.ledger.units import Consignment, Parcel
from gateway.stages.context import StageContext
from gateway.stages.kept_files import let_go, needed, sealed_file
from gateway.stages.quarantine import locking_away, measure, quarantine_file
from gateway.stages.stuck_lanes import alarm_if_stuck


def consignment_of(row: Parcel) -> str:
    """The id of the consignment that a row is, or of the one that a receipt answers."""
    return row.id if isinstance(row, Consignment) else row.consignment


def claim(context: StageContext, row: Parcel, claimed: set[int]) -> PoisonFile | None:
    """Count the attempt before it starts; the error that holds the unit where too many attempts never ended.

    `claimed` holds the keys of the units that this process is trying. A unit whose key it holds already was tried before,
    and the ledger, full or locked, could not take the result: that attempt is counted, and ended no process.
    """
    if row.claims and row.key in claimed:
        return None
    if row.claims >= POISON_CLAIMS:
        return PoisonFile(f"{row.claims} attempts ended their process")
    with context.ledger.write() as transaction:
        transaction.claim(TABLES[row.kind], [row.key])
    claimed.add(row.key)
    return None


def refuse(
    context: StageContext,
    row: Parcel,
    error: GatewayError,
    quarantined: Callable[[Transaction], None] = lambda _transaction: None,
) -> None:
    """Move what landed after `error`: into the quarantine with its sealed file, or to where `failed` moves it. A Halt is raised.
    `quarantined` is called in the transaction that locks the file away.
    """
    _raise_halt(context, row, error)
    if not isinstance(error, Quarantine):
        with context.ledger.write() as transaction:
            failed(context, transaction, row, error)
        return
    try:
        path = needed(context.payloads, sealed_file(context.home, row))
    except StoreFileLost as lost:  # it was read a moment ago: it is judged again once it is there
        refuse(context, row, lost)
        return
    try:
        measured = measure(path)
    except OSError as failure:
        raise DiskFailed(f"cannot lock a file away: {failure.strerror}") from failure
    with locking_away(context, [(path, measured)]) as (named,), context.ledger.write() as transaction:
        quarantine_file(
            context,
            transaction,
            named,
            kind=row.kind,
            stem=consignment_of(row),
            partner=row.partner,
            error=error,
        )
        change = {
            "key": row.key,
            "state": State.QUARANTINED,
            "code": error.code,
            "reason": error.reason,
            "event": transaction.head().sequence,
        }
        transaction.move(TABLES[row.kind], row.direction, row.state, [change])
        let_go(transaction, context.payloads, sealed_file(context.home, row))
        quarantined(transaction)


def failed(context: StageContext, transaction: Transaction, row: Parcel, error: GatewayError) -> Move:
    """Move a consignment or a receipt after `error`, with its event; a Halt is raised."""
    kind, direction, state = row.kind, row.direction, row.state
    move = advance(ITINERARIES[kind, direction], state, error, expired=_expired(context, row))
    name = "work.deferred" if move.retry else f"{kind}.{move.state}"
    event = transaction.record(
        name, kind, consignment_of(row), row.partner, code=move.code, reason=move.reason, state=str(move.state)
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
    if move.retry and isinstance(error, StoreFileLost):
        alarm_if_stuck(context, transaction, row.partner)
    return move


def _raise_halt(context: StageContext, row: Parcel, error: GatewayError) -> None:
    """Raise `error` where the whole gateway must stop. The attempt has ended, so it does not count against the unit: a
    gateway that is started again three times halts three times, and does not take the unit for poison.
    """
    if error.disposition is not Disposition.HALT:
        return
    with suppress(GatewayError), context.ledger.write() as transaction:
        transaction.set(TABLES[row.kind], [row.key], claims=row.claims)
    raise error


def _expired(context: StageContext, row: Parcel) -> bool:
    return isinstance(row, Consignment) and row.expires is not None and row.expires <= context.clock()
