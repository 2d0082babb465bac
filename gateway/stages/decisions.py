"""A person's decisions: hold, release, return, retry, discard. Each needs a reason, and is an event of the chain.

Raises NotFound where nothing, or more than one thing, has that id, and UsageWrong where the unit is past deciding. What
is decided about is read and changed under the ledger's write lock, so no role can move it in between.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from sqlalchemy import Row, update

from gateway.domain.identity import is_id
from gateway.domain.states import ITINERARIES, Direction, State
from gateway.errors import GatewayError, HeldByPerson, PartnerKeyRevoked, ReturnedByPerson, UsageWrong
from gateway.ledger.queries import records
from gateway.ledger.queries.by_id import find, kept_file, quarantined
from gateway.ledger.store import TABLES, Transaction
from gateway.ledger.tables import CONSIGNMENTS, QUARANTINE, RECEIPTS
from gateway.stages.attempts import try_again
from gateway.stages.context import StageContext

_WAITING: Final = frozenset({State.ADMITTED, State.VALIDATED, State.PACKED, State.SEALED, State.LANDED})


@dataclass(frozen=True)
class Decision:
    """Who decides, and why; both go into the chain."""

    actor: str
    reason: str


@dataclass(frozen=True)
class Decided:
    """What a decision was about: `kind` is transfer, consignment, receipt or lane, `state` the state it is in now."""

    kind: str
    identity: str
    partner: str
    state: str


def hold(context: StageContext, identity: str, decision: Decision) -> Decided:
    """Keep a transfer that is not packed yet."""
    with context.ledger.write() as transaction:
        _, row = find(transaction.connection, identity, ("transfer",))
        return _decide(
            transaction,
            "transfer",
            row,
            State.HELD,
            decision,
            resume=row.state,
            code=HeldByPerson.code,
            reason=decision.reason,
        )


def release(context: StageContext, identity: str, decision: Decision) -> Decided:
    """Let a held transfer, consignment or lane go on where it stopped. For a lane, `identity` is the partner's code.

    For a consignment of ours whose receipt is held, it is the receipt that goes on.
    """
    with context.ledger.write() as transaction:
        if identity in context.settings.codes:
            return _release_lane(transaction, identity, decision)
        kind, row = find(transaction.connection, identity)
        if row.state != State.HELD:
            return _release_receipt(transaction, kind, row, decision)
        return _decide(transaction, kind, row, State(row.resume), decision)


def return_to_operator(context: StageContext, identity: str, decision: Decision) -> Decided:
    """Give a transfer back: to whoever dropped it, before it is packed; to its sender, before it is delivered."""
    with context.ledger.write() as transaction:
        _, row = find(transaction.connection, identity, ("transfer",))
        # A submitted file leaves custody only once it lies with its operator; a received one never comes back here.
        custody = row.direction == Direction.OUT
        if custody and row.consignment is not None:
            # The itinerary has that move for the partner's word. A person's would give back what the partner may have.
            raise UsageWrong(
                f"transfer {row.id} is {row.state}: it is on its way, and only its receipt says what became of it"
            )
        return _decide(
            transaction,
            "transfer",
            row,
            State.REJECTED,
            decision,
            code=ReturnedByPerson.code,
            reason=decision.reason,
            custody=custody,
        )


def retry(context: StageContext, identity: str, decision: Decision) -> Decided:
    """Do now what waits for later: a deferred unit, a lane, or a consignment whose receipt has not come."""
    with context.ledger.write() as transaction:
        if identity in context.settings.codes:
            if transaction.lane(identity)["held"]:
                raise UsageWrong(f"the lane to {identity} is held: `gateway release {identity}` lets it go on")
            transaction.record("lane.retried", "lane", identity, identity, actor=decision.actor, reason=decision.reason)
            transaction.set_lane(identity, due=0.0)
            return Decided("lane", identity, identity, "open")
        kind, row = find(transaction.connection, identity)
        if kind == "transfer" and row.consignment is not None:
            kind, row = _carrier(transaction, row)
        if kind == "consignment" and row.direction == Direction.OUT and row.state == State.SENT:
            return _send_again(transaction, row, decision)
        if State(row.state) not in _WAITING:
            raise UsageWrong(f"{kind} {row.id} is {row.state}: there is nothing to try again")
        event = _record(transaction, "retried", kind, row, decision, State(row.state))
        transaction.set(TABLES[kind], [row.key], due=0.0, event=event)
        if not transaction.lane(row.partner)["held"]:
            transaction.set_lane(row.partner, due=0.0)
        return Decided(kind, row.id, row.partner, row.state)


def discard(context: StageContext, identity: str, decision: Decision) -> Row[Any]:
    """Remove a quarantined file for good; its row and its digest stay."""
    with context.ledger.write() as transaction:
        row = quarantined(transaction.connection, identity)
        if row.discarded is not None:
            raise UsageWrong(f"{row.id} was discarded before")
        kept = kept_file(context.home, row)
        transaction.record(
            "quarantine.discarded",
            row.kind,
            row.consignment if is_id(row.consignment) else "unnamed",
            row.partner,
            actor=decision.actor,
            reason=decision.reason,
            sha256=row.sha256,
            files=[row.id],
        )
        transaction.connection.execute(
            update(QUARANTINE).where(QUARANTINE.c.id == row.id).values(discarded=transaction.now)
        )
        transaction.afterwards.append(partial(kept.unlink, missing_ok=True))
        transaction.afterwards.append(partial(shutil.rmtree, kept.with_suffix(".folder"), ignore_errors=True))
        return row


def _carrier(transaction: Transaction, row: Row[Any]) -> tuple[str, Row[Any]]:
    """The consignment that carries a transfer, or the transfer itself where it has none yet."""
    direction = Direction(row.direction)
    found = records.one(transaction.connection, CONSIGNMENTS, direction, row.partner, row.consignment)
    return ("transfer", row) if found is None else ("consignment", found)


def _send_again(transaction: Transaction, row: Row[Any], decision: Decision) -> Decided:
    event = _record(transaction, "retried", "consignment", row, decision, State.SEALED)
    change = {"key": row.key, "state": State.SEALED, "resends": row.resends + 1, "due": 0.0, "event": event}
    transaction.move(CONSIGNMENTS, Direction.OUT, State.SENT, [change])
    transaction.move_with({"id": row.id, "partner": row.partner}, State.SENT, State.SEALED, event)
    return Decided("consignment", row.id, row.partner, State.SEALED)


def hold_lane(transaction: Transaction, partner: str, error: GatewayError, decision: Decision) -> None:
    """Send nothing more to a partner until a person releases its lane; `error` says what happened."""
    transaction.record(
        "lane.held", "lane", partner, partner, code=error.code, reason=decision.reason, actor=decision.actor
    )
    transaction.set_lane(partner, held=True, due=0.0, code=error.code, reason=error.reason)


def _release_lane(transaction: Transaction, partner: str, decision: Decision) -> Decided:
    if not transaction.lane(partner)["held"]:
        raise UsageWrong(f"the lane to {partner} is not held")
    transaction.record("lane.released", "lane", partner, partner, actor=decision.actor, reason=decision.reason)
    transaction.set_lane(partner, held=False, failures=0, due=0.0, code=None, reason=None)
    try_again(transaction, partner, PartnerKeyRevoked)
    return Decided("lane", partner, partner, "open")


def _release_receipt(transaction: Transaction, kind: str, row: Row[Any], decision: Decision) -> Decided:
    held: list[Row[Any]] = []
    if kind == "consignment" and row.direction == Direction.OUT:
        held = records.receipts_of(transaction.connection, Direction.IN, row.partner, row.id, State.HELD)
    if not held:
        raise UsageWrong(f"{kind} {row.id} is {row.state}, not held")
    for receipt in held:
        event = transaction.record(
            "receipt.released",
            "receipt",
            row.id,
            row.partner,
            actor=decision.actor,
            reason=decision.reason,
            state=str(State.LANDED),
        )
        change = {"key": receipt.key, "state": State.LANDED, "resume": None, "due": 0.0, "event": event}
        transaction.move(RECEIPTS, Direction.IN, State.HELD, [change])
    return Decided("receipt", row.id, row.partner, State.LANDED)


def _decide(
    transaction: Transaction,
    kind: str,
    row: Row[Any],
    following: State,
    decision: Decision,
    **values: Any,
) -> Decided:
    """Move the row, with the event that says who wanted it."""
    direction = Direction(row.direction)
    if following not in ITINERARIES[kind, direction].get(State(row.state), frozenset()):
        raise UsageWrong(f"{kind} {row.id} is {row.state}: it cannot become {following} any more")
    said = {State.HELD: "held", State.REJECTED: "rejected"}.get(following, "released")
    event = _record(transaction, said, kind, row, decision, following, code=values.get("code"))
    cleared = {"resume": None, "code": None, "reason": None, "due": 0.0, "attempts": 0}
    change = {"key": row.key, "state": following, **cleared, **values, "event": event}
    transaction.move(TABLES[kind], direction, State(row.state), [change])
    return Decided(kind, row.id, row.partner, following)


def _record(
    transaction: Transaction,
    said: str,
    kind: str,
    row: Row[Any],
    decision: Decision,
    state: State,
    *,
    code: str | None = None,
) -> int:
    """The event of a decision; `state` tells a verifier what the row has to be in afterwards."""
    return transaction.record(
        f"{kind}.{said}",
        kind,
        row.id,
        row.partner,
        actor=decision.actor,
        reason=decision.reason,
        state=str(state),
        code=code,
    )
