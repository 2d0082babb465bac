"""A person's decisions: hold, release, return, retry, discard. Each needs a reason, and is an event of the chain.

Raises NotFound where nothing, or more than one thing, has that id, and StateOther where the unit's state allows no such
decision. The unit is read and changed in the caller's transaction, so no role can move it in between, and the answer of the
request that asked for it is written with it.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from gateway.domain.decision import Decision
from gateway.domain.identity import is_id
from gateway.domain.states import ITINERARIES, Direction, State
from gateway.errors import GatewayError, HeldByPerson, PartnerKeyRevoked, ReturnedByPerson, StateOther
from gateway.ledger.queries.identities import find, find_transfer, one
from gateway.ledger.queries.quarantine import find_quarantined
from gateway.ledger.queries.receipts import receipts_of
from gateway.ledger.store import TABLES, Transaction
from gateway.ledger.tables import CONSIGNMENTS, RECEIPTS
from gateway.ledger.units import Consignment, Receipt, Transfer, required
from gateway.stages.context import StageContext
from gateway.stages.kept_files import let_go, locked_away

_ON_ITS_WAY: Final = "it is on its way, and only its receipt says what became of it"
_NOW: Final[Mapping[tuple[Direction, State], str]] = {
    (Direction.OUT, State.ADMITTED): "it can be held or returned",
    (Direction.OUT, State.VALIDATED): "it can be held or returned",
    (Direction.OUT, State.PACKED): _ON_ITS_WAY,
    (Direction.OUT, State.SEALED): _ON_ITS_WAY,
    (Direction.OUT, State.SENT): f"{_ON_ITS_WAY}; `gateway retry` sends it again where none comes",
    (Direction.OUT, State.RECEIPTED): "the partner has it, and only the partner can give it back",
    (Direction.OUT, State.INGESTED): "the partner has it and has taken it in",
    (Direction.OUT, State.REJECTED): "it was given back, and is in spool/returned; drop it again to send it",
    (Direction.OUT, State.EXPIRED): "it was given up, and is in spool/returned; drop it again to send it",
    (Direction.OUT, State.HELD): "it can be released or returned",
    (Direction.IN, State.OPENED): "it can be held or returned",
    (Direction.IN, State.HELD): "it can be released or returned",
    (Direction.IN, State.DELIVERED): "the back office has it in spool/inbound, and answers for it",
    (Direction.IN, State.INGESTED): "the back office has taken it in",
    (Direction.IN, State.REJECTED): "its sender has been told",
}
"""What can be done about a transfer in that state, or why nothing can."""

_WAITING: Final = frozenset({State.ADMITTED, State.VALIDATED, State.PACKED, State.SEALED, State.LANDED})


@dataclass(frozen=True)
class Decided:
    """What a decision was about: `kind` is transfer, consignment, receipt, lane or that of something locked away, `state` the
    state it is in now.
    """

    kind: str
    identity: str
    partner: str
    state: str


def hold(_context: StageContext, transaction: Transaction, identity: str, decision: Decision) -> Decided:
    """Keep a transfer that is not packed yet."""
    row = find_transfer(transaction.connection, identity)
    return _decide(
        transaction,
        row,
        State.HELD,
        decision,
        resume=row.state,
        code=HeldByPerson.code,
        reason=decision.reason,
    )


def release(context: StageContext, transaction: Transaction, identity: str, decision: Decision) -> Decided:
    """Let a held transfer, consignment or lane go on where it stopped. For a lane, `identity` is the partner's code.

    For a consignment of ours whose receipt is held, it is the receipt that goes on.
    """
    if identity in context.settings.codes:
        return _release_lane(transaction, identity, decision)
    row = find(transaction.connection, identity)
    if row.state != State.HELD:
        return _release_receipt(transaction, row, decision)
    return _decide(transaction, row, required(row.resume), decision)


def return_to_operator(_context: StageContext, transaction: Transaction, identity: str, decision: Decision) -> Decided:
    """Give a transfer back: to whoever dropped it, before it is packed; to its sender, before it is delivered."""
    row = find_transfer(transaction.connection, identity)
    # A submitted file leaves custody only once it lies with its operator; a received one never comes back here.
    custody = row.direction == Direction.OUT
    if custody and row.consignment is not None:
        # The itinerary has that move for the partner's receipt. A person would return a file that the partner may have.
        raise _other(row, "returned")
    return _decide(
        transaction,
        row,
        State.REJECTED,
        decision,
        code=ReturnedByPerson.code,
        reason=decision.reason,
        custody=custody,
    )


def retry(context: StageContext, transaction: Transaction, identity: str, decision: Decision) -> Decided:
    """Do now what waits for later: a deferred unit, a lane, or a consignment whose receipt has not come."""
    if identity in context.settings.codes:
        if transaction.lane(identity).held:
            raise StateOther(
                f"the lane to {identity} is held: `gateway release {identity} --reason TEXT` lets it go on"
            )
        transaction.record("lane.retried", "lane", identity, identity, **decision.detail)
        transaction.set_lane(identity, due=0.0)
        return Decided("lane", identity, identity, "open")
    row = find(transaction.connection, identity)
    if isinstance(row, Transfer):
        row = _carrier(transaction, row) or row
    if isinstance(row, Consignment) and row.direction == Direction.OUT and row.state == State.SENT and not row.is_plain:
        return _send_again(transaction, row, decision)
    if row.state not in _WAITING:
        raise _other(row, "tried again")
    event = _record(transaction, "retried", row, decision, row.state)
    transaction.set(TABLES[row.kind], [row.key], due=0.0, event=event)
    if not transaction.lane(row.partner).held:
        transaction.set_lane(row.partner, due=0.0)
    return Decided(row.kind, row.id, row.partner, row.state)


def discard(context: StageContext, transaction: Transaction, identity: str, decision: Decision) -> Decided:
    """Remove a quarantined file for good; its row and its digest stay."""
    row = find_quarantined(transaction.connection, identity)
    if row.discarded is not None:
        raise StateOther(f"{row.id} was discarded before")
    kept = locked_away(context.home, row)
    transaction.record(
        "quarantine.discarded",
        row.kind,
        row.consignment if is_id(row.consignment) else "unnamed",
        row.partner,
        **decision.detail,
        sha256=row.sha256,
        files=[row.id],
    )
    transaction.discard(row.id)
    let_go(transaction, context.payloads, kept)
    transaction.afterwards.append(partial(shutil.rmtree, kept.path.with_suffix(".folder"), ignore_errors=True))
    return Decided(row.kind, row.id, row.partner, "discarded")


def _carrier(transaction: Transaction, row: Transfer) -> Consignment | None:
    """The consignment that carries a transfer, None where it has none yet."""
    if row.consignment is None:
        return None
    return one(transaction.connection, Consignment, row.direction, row.partner, row.consignment)


def _send_again(transaction: Transaction, row: Consignment, decision: Decision) -> Decided:
    event = _record(transaction, "retried", row, decision, State.SEALED)
    change = {"key": row.key, "state": State.SEALED, "resends": row.resends + 1, "due": 0.0, "event": event}
    transaction.move(CONSIGNMENTS, Direction.OUT, State.SENT, [change])
    transaction.move_with(row, State.SENT, State.SEALED, event)
    return Decided("consignment", row.id, row.partner, State.SEALED)


def hold_lane(transaction: Transaction, partner: str, error: GatewayError, decision: Decision) -> None:
    """Send nothing more to a partner until a person releases its lane; `error` says what happened."""
    transaction.record("lane.held", "lane", partner, partner, code=error.code, **decision.detail)
    transaction.set_lane(partner, held=True, due=0.0, code=error.code, reason=error.reason)


def _release_lane(transaction: Transaction, partner: str, decision: Decision) -> Decided:
    if not transaction.lane(partner).held:
        raise StateOther(f"the lane to {partner} is not held: nothing keeps it from going on")
    transaction.record("lane.released", "lane", partner, partner, **decision.detail)
    transaction.set_lane(partner, held=False, failures=0, due=0.0, code=None, reason=None)
    transaction.try_again(partner, PartnerKeyRevoked.code)
    return Decided("lane", partner, partner, "open")


def _release_receipt(transaction: Transaction, row: Transfer | Consignment, decision: Decision) -> Decided:
    held: list[Receipt] = []
    if isinstance(row, Consignment) and row.direction == Direction.OUT:
        held = receipts_of(transaction.connection, Direction.IN, row.partner, row.id, State.HELD)
    if not held:
        raise _other(row, "released")
    for receipt in held:
        event = transaction.record(
            "receipt.released",
            "receipt",
            row.id,
            row.partner,
            **decision.detail,
            state=str(State.LANDED),
        )
        change = {"key": receipt.key, "state": State.LANDED, "resume": None, "due": 0.0, "event": event}
        transaction.move(RECEIPTS, Direction.IN, State.HELD, [change])
    return Decided("receipt", row.id, row.partner, State.LANDED)


def _decide(
    transaction: Transaction,
    row: Transfer | Consignment,
    following: State,
    decision: Decision,
    **values: Any,
) -> Decided:
    """Move the row, with the event that says who wanted it."""
    if following not in ITINERARIES[row.kind, row.direction].get(row.state, frozenset()):
        raise _other(row, {State.HELD: "held", State.REJECTED: "returned"}.get(following, "released"))
    decided = {State.HELD: "held", State.REJECTED: "rejected"}.get(following, "released")
    event = _record(transaction, decided, row, decision, following, code=values.get("code"))
    cleared = {"resume": None, "code": None, "reason": None, "due": 0.0, "attempts": 0}
    change = {"key": row.key, "state": following, **cleared, **values, "event": event}
    transaction.move(TABLES[row.kind], row.direction, row.state, [change])
    return Decided(row.kind, row.id, row.partner, following)


def _other(row: Transfer | Consignment, wanted: str) -> StateOther:
    """Says in what state it is, since it cannot be held, released, returned or tried again in that, and what can be done."""
    now = _NOW.get((row.direction, row.state)) if isinstance(row, Transfer) else None
    return StateOther(f"{row.kind} {row.id} is {row.state}, and cannot be {wanted}{f': {now}' if now else ''}")


def _record(
    transaction: Transaction,
    decided: str,
    row: Transfer | Consignment,
    decision: Decision,
    state: State,
    *,
    code: str | None = None,
) -> int:
    """The event of a decision; `state` tells a verifier what the row has to be in afterwards."""
    return transaction.record(
        f"{row.kind}.{decided}",
        row.kind,
        row.id,
        row.partner,
        **decision.detail,
        state=str(state),
        code=code,
    )
