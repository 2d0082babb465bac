"""A person's decisions: hold, release, return, retry, discard. Each needs a reason, and is an event of the chain.

Raises NotFound where nothing, or more than one thing, has that id, and ImpossibleMove where the unit is past deciding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Row, Table, update

from gateway.errors import HeldByPerson, NotFound, UsageWrong
from gateway.ledger import queries
from gateway.ledger.store import TABLES, Transaction
from gateway.ledger.tables import CONSIGNMENTS, QUARANTINE
from gateway.stages.workplace import Workplace
from gateway.transfer.states import ITINERARIES, Direction, State, require


@dataclass(frozen=True)
class Decision:
    """Who decides, and why; both go into the chain."""

    actor: str
    reason: str


def find(place: Workplace, prefix: str, kinds: tuple[str, ...] = ("transfer", "consignment")) -> tuple[str, Row[Any]]:
    """The one transfer or consignment whose id starts with `prefix`, and its kind."""
    with place.ledger.read() as connection:
        found = [(kind, row) for kind in kinds for row in queries.matching(connection, TABLES[kind], prefix)]
    if not found:
        raise NotFound(f"nothing has an id that starts with {prefix[:40]}")
    if len(found) > 1:
        raise NotFound(f"{len(found)} ids start with {prefix[:40]}: give more of it")
    return found[0]


def hold(place: Workplace, identity: str, decision: Decision) -> None:
    """Keep a transfer that is not packed yet."""
    _, row = find(place, identity, ("transfer",))
    _decide(
        place,
        "transfer",
        row,
        State.HELD,
        decision,
        resume=row.state,
        code=HeldByPerson.code,
        because=decision.reason,
    )


def release(place: Workplace, identity: str, decision: Decision) -> None:
    """Let a held transfer, consignment or lane go on where it stopped. For a lane, `identity` is the partner's code."""
    if identity in place.settings.partners:
        _release_lane(place, identity, decision)
        return
    kind, row = find(place, identity)
    if row.state != State.HELD:
        raise UsageWrong(f"{row.id} is {row.state}, not held")
    _decide(place, kind, row, State(row.resume), decision)


def return_to_operator(place: Workplace, identity: str, decision: Decision) -> None:
    """Give a transfer that was not packed yet back to whoever dropped it."""
    _, row = find(place, identity, ("transfer",))
    _decide(place, "transfer", row, State.REJECTED, decision, code="returned-by-person", because=decision.reason)


def retry(place: Workplace, identity: str, decision: Decision) -> None:
    """Do now what waits for later: a deferred unit, a lane, or a consignment whose receipt has not come."""
    if identity in place.settings.partners:
        with place.ledger.write() as transaction:
            transaction.record("lane.retried", "lane", identity, identity, actor=decision.actor, reason=decision.reason)
            transaction.set_lane(identity, due=0.0)
        return
    kind, row = find(place, identity)
    with place.ledger.write() as transaction:
        if kind == "transfer" and row.consignment is not None:
            found = queries.one(
                transaction.connection, CONSIGNMENTS, Direction(row.direction), row.partner, row.consignment
            )
            if found is not None:
                kind, row = "consignment", found
        if kind == "consignment" and row.direction == Direction.OUT and row.state == State.SENT:
            event = _record(transaction, "retried", kind, row, decision)
            change = {"key": row.key, "state": State.SEALED, "resends": row.resends + 1, "due": 0.0, "event": event}
            transaction.move(CONSIGNMENTS, Direction.OUT, State.SENT, [change])
            transaction.move_with({"id": row.id, "partner": row.partner}, State.SENT, State.SEALED, event)
        elif State(row.state) in {State.ADMITTED, State.VALIDATED, State.PACKED, State.SEALED, State.LANDED}:
            _record(transaction, "retried", kind, row, decision)
            transaction.set(TABLES[kind], [row.key], due=0.0)
            transaction.set_lane(row.partner, due=0.0)
        else:
            raise UsageWrong(f"{row.id} is {row.state}: there is nothing to try again")


def discard(place: Workplace, identity: str, decision: Decision) -> None:
    """Remove a quarantined file for good; its row and its digest stay."""
    with place.ledger.read() as connection:
        found = [row for row in queries.quarantined(connection) if row.id.startswith(identity)]
    if len(found) != 1:
        raise NotFound(f"{len(found)} quarantined files have an id that starts with {identity[:40]}")
    row = found[0]
    kept = place.home.quarantine / f"{row.id}.sealed"
    with place.ledger.write() as transaction:
        transaction.record(
            "quarantine.discarded",
            "consignment",
            row.consignment,
            row.partner,
            actor=decision.actor,
            reason=decision.reason,
            sha256=row.sha256,
        )
        transaction.connection.execute(
            update(QUARANTINE).where(QUARANTINE.c.id == row.id).values(discarded=transaction.now)
        )
        transaction.afterwards.append(lambda: kept.unlink(missing_ok=True))


def _release_lane(place: Workplace, partner: str, decision: Decision) -> None:
    with place.ledger.write() as transaction:
        if not transaction.lane(partner)["held"]:
            raise UsageWrong(f"the lane to {partner} is not held")
        transaction.record("lane.released", "lane", partner, partner, actor=decision.actor, reason=decision.reason)
        transaction.set_lane(partner, held=False, failures=0, due=0.0, code=None, reason=None)


def _decide(
    place: Workplace,
    kind: str,
    row: Row[Any],
    following: State,
    decision: Decision,
    *,
    resume: str | None = None,
    code: str | None = None,
    because: str | None = None,
) -> None:
    direction = Direction(row.direction)
    require(ITINERARIES[kind, direction], State(row.state), following)
    said = {State.HELD: "held", State.REJECTED: "rejected"}.get(following, "released")
    table: Table = TABLES[kind]
    with place.ledger.write() as transaction:
        event = _record(transaction, said, kind, row, decision)
        change = {
            "key": row.key,
            "state": following,
            "resume": resume,
            "code": code,
            "reason": because,
            "due": 0.0,
            "attempts": 0,
            "event": event,
        }
        transaction.move(table, direction, State(row.state), [change])


def _record(transaction: Transaction, said: str, kind: str, row: Row[Any], decision: Decision) -> int:
    return transaction.record(f"{kind}.{said}", kind, row.id, row.partner, actor=decision.actor, reason=decision.reason)
