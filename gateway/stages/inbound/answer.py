"""Answer: the back office's answers about delivered files go into the ledger, and into receipts to the senders.

An answer file is removed only after the transaction that records it. A crash in between leaves a file whose fingerprint
the row has, so the next start recognises it. The reason goes into the row and into the sealed receipt, masked. It goes
neither into the chain, which is never shortened, nor into a log. An answer that matches no delivered file, or contradicts
an earlier one, is returned with the reason.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from itertools import islice
from pathlib import PurePath
from typing import Any, Final

from gateway.domain.back_office_answer import AnswerVerdict, BackOfficeAnswer, judge, reason_of
from gateway.domain.identity import is_id
from gateway.domain.retry import is_due
from gateway.domain.states import Direction, State
from gateway.errors import (
    GatewayError,
    OutcomeAmbiguous,
    OutcomeContrary,
    OutcomeUnmatched,
    PartnerUnknown,
    Reject,
    StillBeingWritten,
)
from gateway.ledger.queries.back_office_answers import answerable
from gateway.ledger.store import Transaction
from gateway.ledger.tables import TRANSFERS
from gateway.ledger.units import Transfer, required
from gateway.settings.shared_place import require_shared
from gateway.spool.back_office_answers import AnswerFile, BackOfficeAnswers
from gateway.spool.drops import Refusal
from gateway.stages.back_office import change, issue_answers
from gateway.stages.context import BATCH, StageContext, Step
from gateway.stages.returns import return_refused

_LOOK_AGAIN: Final = 0.25
_REST: Final = 1.0
"""Seconds between looks that find nothing: a site of 380 partners has a thousand directories, and files come meanwhile."""

_WRONG: Final[dict[AnswerVerdict, type[Reject]]] = {
    AnswerVerdict.AMBIGUOUS: OutcomeAmbiguous,
    AnswerVerdict.CONTRARY: OutcomeContrary,
    AnswerVerdict.UNMATCHED: OutcomeUnmatched,
}


class Answer:
    """Answer files in spool/outcomes to answered transfers, with receipts issued."""

    name = "answer"

    def __init__(self, context: StageContext, tree: BackOfficeAnswers) -> None:
        self._context = context
        self._tree = tree
        self._rest_until = 0.0

    def step(self) -> Step:
        context = self._context
        if not is_due(self._rest_until, context.clock(), _REST):
            return Step(due=self._rest_until)
        require_shared(context.settings, context.home.outcomes, context.home.returned)
        answers: list[tuple[AnswerFile, str | None]] = []
        refused: list[Refusal] = []
        # Answers about a partner that is stopped stay where they are, as do the files for it.
        due = (found for found in self._tree.scan() if found.partner not in context.stopped)
        for found in islice(due, BATCH):
            if isinstance(found, Refusal):
                refused.append(found)
            elif found.partner not in context.settings.partners:
                refused.append(_refusal(found, PartnerUnknown()))
            else:
                self._read(found, answers, refused)
        recorded = self._record(answers, refused) if answers else []
        for answer in recorded:
            self._tree.remove(answer)
        for refusal in refused:
            return_refused(context, context.home.outcomes, refusal)
        done = len(recorded) + sum(isinstance(refusal.error, Reject) for refusal in refused)
        again = self._tree.unsettled > 0
        self._rest_until = 0.0 if done or again else context.clock() + _REST
        return Step(done=done, due=context.clock() + _LOOK_AGAIN if again else None)

    def close(self) -> None:
        self._tree.close()

    def _read(self, found: AnswerFile, answers: list[tuple[AnswerFile, str | None]], refused: list[Refusal]) -> None:
        """Add the answer with its reason to `answers`, or the file to `refused`; neither while it is being written."""
        try:
            reason = None if found.answer is BackOfficeAnswer.ACCEPTED else reason_of(self._tree.read(found))
        except StillBeingWritten:
            return
        except Reject as error:
            refused.append(_refusal(found, error))
        else:
            answers.append((found, reason))

    def _record(self, answers: list[tuple[AnswerFile, str | None]], refused: list[Refusal]) -> list[AnswerFile]:
        """Record the answers that are the first about their transfers; the files that are done with, once that is durable."""
        known: list[AnswerFile] = []
        first: list[AnswerFile] = []
        pending: dict[int, BackOfficeAnswer] = {}
        changes: list[dict[str, Any]] = []
        answered: dict[tuple[str, str], list[int]] = defaultdict(list)
        with self._context.ledger.write() as transaction:
            candidates = _candidates(transaction, [answer for answer, _ in answers])
            for answer, reason in answers:
                fitting = candidates[answer.name, answer.flow, answer.partner]
                verdict, row = judge(answer.answer, answer.fingerprint, fitting, pending)
                if verdict in _WRONG:
                    refused.append(_refusal(answer, _WRONG[verdict]()))
                elif verdict is AnswerVerdict.KNOWN:
                    known.append(answer)
                elif verdict is AnswerVerdict.FIRST and row is not None:
                    pending[row.key] = answer.answer
                    changes.append(change(transaction, row, answer.answer, answer.fingerprint, reason))
                    answered[row.partner, required(row.consignment)].append(row.key)
                    first.append(answer)
            transaction.move(TRANSFERS, Direction.IN, State.DELIVERED, changes)
            for (partner, consignment), keys in answered.items():
                issue_answers(transaction, partner, consignment, keys)
        return known + first


def _refusal(answer: AnswerFile, error: GatewayError) -> Refusal:
    return Refusal(answer.flow, answer.partner, answer.name, error)


def _candidates(transaction: Transaction, answers: Iterable[AnswerFile]) -> dict[tuple[str, str, str], list[Transfer]]:
    """The transfers that each answer's name may mean, by its name, flow and partner: those that were delivered under that
    name or have the id in it.
    """
    trees: dict[tuple[str, str], list[AnswerFile]] = defaultdict(list)
    for answer in answers:
        trees[answer.flow, answer.partner].append(answer)
    found: dict[tuple[str, str, str], list[Transfer]] = {}
    for (flow, partner), tree in trees.items():
        subjects = [answer.subject for answer in tree]
        ids = [identity for identity in map(_id_in, subjects) if identity is not None]
        rows = answerable(transaction.connection, flow, partner, subjects, ids)
        by_name: dict[str, list[Transfer]] = defaultdict(list)
        for row in rows:
            for name in {row.delivered_name or row.id, row.id}:
                by_name[name].append(row)
        for answer in tree:
            names = (answer.subject, _id_in(answer.subject))
            fitting = {row.key: row for name in names for row in by_name.get(name or "", ())}
            found[answer.name, flow, partner] = list(fitting.values())
    return found


def _id_in(subject: str) -> str | None:
    """The transfer's id where an answer is named after it, or after a second file of a name: `STEM~ID.EXT`."""
    if is_id(subject):
        return subject
    identity = PurePath(subject).stem.rpartition("~")[2]
    return identity if is_id(identity) else None
