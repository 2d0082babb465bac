"""Writing who opened a payload, the check that it drew, and each step of it. Every step is an event, without words of a person.

Words, names and cases are in the rows alone, of which the chain has the salted digest; the time of each row erases them. The person
whose step it is comes from the ledger in the same transaction. Raises OwnCheck and CheckMisplaced (`domain.checks.require_step`); whoever writes
past this module meets the constraints of the tables, as ImpossibleMove.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import update

from gateway.domain.checks import CheckState, Criterion, Step, require_step
from gateway.domain.people import Person, PersonState
from gateway.errors import CheckMisplaced, ImpossibleMove
from gateway.ledger.check_units import Check, Opening
from gateway.ledger.people import require_person
from gateway.ledger.queries.checks import find_check, find_opening
from gateway.ledger.store import Transaction
from gateway.ledger.tables import CHECKS, OPENINGS

OPENING: Final = "opening"
CHECK: Final = "check"
"""What the events are about; their subject is the row's id."""


def record_opening(
    transaction: Transaction,
    identity: str,
    user: str,
    *,
    kind: str,
    unit: str,
    partner: str,
    flow: str | None,
    system: str,
    reason: str,
    case_reference: str,
) -> Opening:
    """Somebody opens a payload: before anything of it is shown. The columns are those of `check_units.Opening`."""
    row = {"id": identity, "user": user, "kind": kind, "unit": unit, "partner": partner, "flow": flow}
    transaction.insert(OPENINGS, [{**row, "system": system, "reason": reason, "case_reference": case_reference}])
    # Not about the transfer: who looked is no part of what became of it, and evidence about it tells nothing of it.
    transaction.record("payload.opened", OPENING, identity, actor=user, source=system, opened=[kind, unit, partner])
    return find_opening(transaction.connection, identity)


def draw(
    transaction: Transaction, identity: str, opening: Opening, person: Person, office: str, criterion: Criterion
) -> Check:
    """The check that an opening draws."""
    row = {"id": identity, "opening": opening.id, "user": opening.user, "office": office, "system": opening.system}
    known = {"name": person.name, "unit": person.unit, "case_reference": opening.case_reference}
    state = {"criterion": str(criterion), "state": str(CheckState.DRAWN)}
    transaction.insert(CHECKS, [{**row, **known, **state}])
    transaction.record("check.drawn", CHECK, identity, user=opening.user, opening=[opening.id])
    return find_check(transaction.connection, identity)


def acknowledge(transaction: Transaction, check: Check, user: str) -> Check:
    """The opener has seen it, and refers the papers to the checking officer."""
    return _step(transaction, check, Step.ACKNOWLEDGE, user, {"acknowledged": transaction.now}, "check.acknowledged")


def explain(transaction: Transaction, check: Check, user: str, explanation: str) -> Check:
    """The opener says what papers there were: LAST 1."""
    told = {"explained": transaction.now, "explanation": explanation}
    return _step(transaction, check, Step.EXPLAIN, user, told, "check.explained")


def decide(transaction: Transaction, check: Check, user: str, *, supported: bool, finding: str) -> Check:
    """A checking officer decides: the evidence supports the access, or not."""
    found = {"decided": transaction.now, "decided_by": user, "supported": supported, "finding": finding}
    return _step(transaction, check, Step.DECIDE, user, found, "check.decided", supported=[supported])


def validate(transaction: Transaction, check: Check, user: str, *, agreed: bool, remark: str) -> Check:
    """A third looks at a decided check once more; once."""
    if find_check(transaction.connection, check.id).validated is not None:
        raise CheckMisplaced("the check was validated before")
    found = {"validated": transaction.now, "validated_by": user, "agreed": agreed, "remark": remark}
    return _step(transaction, check, Step.VALIDATE, user, found, "check.validated", agreed=[agreed])


def _step(
    transaction: Transaction, check: Check, step: Step, user: str, values: dict[str, Any], event: str, **detail: Any
) -> Check:
    current = find_check(transaction.connection, check.id)
    opener = require_person(transaction, current.user)
    following = require_step(
        step, current.state, current.user, user, active=opener.state is PersonState.ACTIVE, decider=current.decided_by
    )
    written = transaction.connection.execute(
        update(CHECKS)
        .where(CHECKS.c.key == current.key, CHECKS.c.state == str(current.state))
        .values(state=str(following), updated=transaction.now, **values)
    )
    if written.rowcount != 1:
        raise ImpossibleMove(f"check {check.id} is no longer {current.state}")
    transaction.record(event, CHECK, check.id, actor=user, **detail)
    return find_check(transaction.connection, check.id)
