"""The back office's answer about a delivered file, as the ledger and the receipt to its sender have it: out of a file, or asked through the
ledger by a program or a person of the console.

Raises UsageWrong for what was not delivered here, OutcomeContrary where the back office has said the contrary before, NotFound, and what the
ledger raises.
"""

from __future__ import annotations

from typing import Any

from gateway.domain.back_office_answer import AnswerVerdict, BackOfficeAnswer, judge
from gateway.domain.decision import Decision
from gateway.domain.states import Direction, State
from gateway.errors import OutcomeContrary, RefusedByBackOffice, UsageWrong
from gateway.ledger.queries import consignments
from gateway.ledger.queries.identities import find_transfer
from gateway.ledger.store import Transaction
from gateway.ledger.tables import TRANSFERS
from gateway.ledger.units import Transfer, required
from gateway.stages.context import StageContext
from gateway.stages.decisions import Decided
from gateway.stages.issued_receipts import add_answers, answer_of, answered_consignment


def accept(context: StageContext, transaction: Transaction, identity: str, decision: Decision) -> Decided:
    """The back office has taken a delivered file over."""
    return _answer(context, transaction, identity, BackOfficeAnswer.ACCEPTED, decision)


def reject(context: StageContext, transaction: Transaction, identity: str, decision: Decision) -> Decided:
    """The back office cannot take a delivered file: its sender is told the reason of the decision."""
    return _answer(context, transaction, identity, BackOfficeAnswer.REJECTED, decision)


def change(
    transaction: Transaction,
    row: Transfer,
    answer: BackOfficeAnswer,
    fingerprint: str,
    reason: str | None,
    decision: Decision | None = None,
) -> dict[str, Any]:
    """Record the event of an answer, and what it changes in the row; `fingerprint` tells the same answer again from another one."""
    accepted = answer is BackOfficeAnswer.ACCEPTED
    following = State.INGESTED if accepted else State.DELIVERED
    code = None if accepted else RefusedByBackOffice.code
    event = transaction.record(
        "transfer.ingested" if accepted else "transfer.refused",
        "transfer",
        row.id,
        row.partner,
        flow=row.flow,
        code=code,
        state=str(following),
        **({} if decision is None else decision.detail),
    )
    return {
        "key": row.key,
        "state": following,
        "code": code,
        "reason": None if accepted else reason or "The back office gave no reason.",
        "answer_file": fingerprint,
        "event": event,
    }


def issue_answers(transaction: Transaction, partner: str, identity: str, keys: list[int]) -> None:
    """Issue a receipt with the answers about these transfers of a consignment, where the stage that ends it has not."""
    if (consignment := answered_consignment(transaction, partner, identity)) is not None:
        rows = consignments.carried(transaction.connection, Direction.IN, partner, identity)
        add_answers(transaction, consignment, [answer_of(row) for row in rows if row.key in keys])


def _answer(
    context: StageContext, transaction: Transaction, identity: str, answer: BackOfficeAnswer, decision: Decision
) -> Decided:
    row = find_transfer(transaction.connection, identity)
    if row.direction != Direction.IN or row.state not in (State.DELIVERED, State.INGESTED):
        raise UsageWrong(f"transfer {row.id} is {row.state}: only what was delivered here can be answered")
    if row.partner in context.settings.stopped:
        raise UsageWrong(f"nothing is exchanged with {row.partner} now: answer when it goes on")
    if row.redirected_to is not None:
        raise UsageWrong(f"transfer {row.id} was passed on to another authority: that is its answer")
    verdict, _ = judge(answer, f"request:{answer}", [row], {})
    if verdict is AnswerVerdict.CONTRARY:
        raise OutcomeContrary
    if verdict is AnswerVerdict.FIRST:
        changed = change(transaction, row, answer, f"request:{answer}", decision.reason, decision)
        transaction.move(TRANSFERS, Direction.IN, State.DELIVERED, [changed])
        issue_answers(transaction, row.partner, required(row.consignment), [row.key])
        return Decided(row.kind, row.id, row.partner, changed["state"])
    return Decided(row.kind, row.id, row.partner, row.state)
