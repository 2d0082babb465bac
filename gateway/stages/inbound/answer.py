"""Answer: what the back office says of delivered files becomes a fact of the ledger, and a receipt to the sender.

A word is removed only after the transaction that holds it: a crash in between leaves a file whose fingerprint the row
has, and it is not taken for another one. The reason goes into the row and the sealed receipt, masked; not into the chain,
which is never shortened, and not into a log. What answers nothing, or the contrary of before, goes back with the reason.
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
    ImpossibleMove,
    OutcomeAmbiguous,
    OutcomeContrary,
    OutcomeUnmatched,
    PartnerUnknown,
    RefusedByBackOffice,
    Reject,
    StillBeingWritten,
)
from gateway.ledger.queries import consignments
from gateway.ledger.queries.back_office_answers import answerable
from gateway.ledger.store import Transaction
from gateway.ledger.tables import TRANSFERS
from gateway.ledger.units import Transfer, required
from gateway.spool.back_office_answers import AnswerFile, BackOfficeAnswers
from gateway.spool.drops import Refusal
from gateway.stages.context import BATCH, StageContext, Step
from gateway.stages.inbound.acknowledge import pass_on, spoken
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
    """The spool's outcomes tree into rows and receipts."""

    name = "answer"

    def __init__(self, context: StageContext, outcomes: BackOfficeAnswers) -> None:
        self._context = context
        self._outcomes = outcomes
        self._rest_until = 0.0

    def step(self) -> Step:
        context = self._context
        if not is_due(self._rest_until, context.clock(), _REST):
            return Step(due=self._rest_until)
        words: list[tuple[AnswerFile, str | None]] = []
        refused: list[Refusal] = []
        # The words about a partner that is stopped stay where they are, as do the files for it.
        going = (found for found in self._outcomes.scan() if found.partner not in context.settings.stopped)
        for found in islice(going, BATCH):
            if isinstance(found, Refusal):
                refused.append(found)
            elif found.partner not in context.settings.partners:
                refused.append(_refusal(found, PartnerUnknown()))
            else:
                self._read(found, words, refused)
        heard = self._hear(words, refused) if words else []
        for word in heard:
            self._outcomes.remove(word)
        for refusal in refused:
            return_refused(context, context.home.outcomes, refusal)
        done = len(heard) + sum(isinstance(refusal.error, Reject) for refusal in refused)
        again = self._outcomes.unsettled > 0
        self._rest_until = 0.0 if done or again else context.clock() + _REST
        return Step(done=done, due=context.clock() + _LOOK_AGAIN if again else None)

    def close(self) -> None:
        self._outcomes.close()

    def _read(self, found: AnswerFile, words: list[tuple[AnswerFile, str | None]], refused: list[Refusal]) -> None:
        """Read a word's reason."""
        try:
            reason = None if found.answer is BackOfficeAnswer.ACCEPTED else reason_of(self._outcomes.read(found))
        except StillBeingWritten:
            return
        except Reject as error:
            refused.append(_refusal(found, error))
        else:
            words.append((found, reason))

    def _hear(self, words: list[tuple[AnswerFile, str | None]], refused: list[Refusal]) -> list[AnswerFile]:
        """Write down what is said for the first time; the words that are done with, once that is durable."""
        done: list[AnswerFile] = []
        taken: list[AnswerFile] = []
        answered: dict[int, BackOfficeAnswer] = {}
        changes: list[dict[str, Any]] = []
        touched: dict[tuple[str, str], list[int]] = defaultdict(list)
        with self._context.ledger.write() as transaction:
            candidates = _candidates(transaction, [word for word, _ in words])
            for word, reason in words:
                fate, row = judge(
                    word.answer, word.fingerprint, candidates[word.name, word.flow, word.partner], answered
                )
                if fate in _WRONG:
                    refused.append(_refusal(word, _WRONG[fate]()))
                elif fate is AnswerVerdict.KNOWN:
                    done.append(word)
                elif fate is AnswerVerdict.FIRST and row is not None:
                    answered[row.key] = word.answer
                    changes.append(_change(transaction, row, word, reason))
                    touched[row.partner, required(row.consignment)].append(row.key)
                    taken.append(word)
            transaction.move(TRANSFERS, Direction.IN, State.DELIVERED, changes)
            for (partner, consignment), keys in touched.items():
                _tell(transaction, partner, consignment, keys)
        return done + taken


def _refusal(word: AnswerFile, error: GatewayError) -> Refusal:
    return Refusal(word.flow, word.partner, word.name, error)


def _candidates(transaction: Transaction, words: Iterable[AnswerFile]) -> dict[tuple[str, str, str], list[Transfer]]:
    """For each word the transfers that its name may mean: one was delivered under that name, or has the id in it."""
    trees: dict[tuple[str, str], list[AnswerFile]] = defaultdict(list)
    for word in words:
        trees[word.flow, word.partner].append(word)
    found: dict[tuple[str, str, str], list[Transfer]] = {}
    for (flow, partner), tree in trees.items():
        subjects = [word.subject for word in tree]
        ids = [identity for identity in map(_id_in, subjects) if identity is not None]
        rows = answerable(transaction.connection, flow, partner, subjects, ids)
        by_name: dict[str, list[Transfer]] = defaultdict(list)
        for row in rows:
            for name in {row.delivered_name or row.id, row.id}:
                by_name[name].append(row)
        for word in tree:
            fitting = {
                row.key: row for name in (word.subject, _id_in(word.subject)) for row in by_name.get(name or "", ())
            }
            found[word.name, flow, partner] = list(fitting.values())
    return found


def _id_in(subject: str) -> str | None:
    """The transfer's id where a word is named after it, or after a second file of a name: `STEM~ID.EXT`."""
    if is_id(subject):
        return subject
    identity = PurePath(subject).stem.rpartition("~")[2]
    return identity if is_id(identity) else None


def _change(transaction: Transaction, row: Transfer, word: AnswerFile, reason: str | None) -> dict[str, Any]:
    took = word.answer is BackOfficeAnswer.ACCEPTED
    following = State.INGESTED if took else State.DELIVERED
    code = None if took else RefusedByBackOffice.code
    event = transaction.record(
        "transfer.ingested" if took else "transfer.refused",
        "transfer",
        row.id,
        row.partner,
        flow=row.flow,
        code=code,
        state=str(following),
    )
    return {
        "key": row.key,
        "state": following,
        "code": code,
        "reason": None if took else reason or "The back office gave no reason.",
        "answer_file": word.fingerprint,
        "event": event,
    }


def _tell(transaction: Transaction, partner: str, consignment: str, keys: list[int]) -> None:
    """A receipt with the words, once the consignment's own is issued: the stage that issues that one adds them otherwise."""
    carrier = consignments.consignment_in(transaction.connection, partner, consignment)
    if carrier is None:
        raise ImpossibleMove("a delivered transfer without its consignment")
    if carrier.state == State.DELIVERED:
        rows = consignments.carried(transaction.connection, Direction.IN, partner, consignment)
        pass_on(transaction, carrier, [spoken(row) for row in rows if row.key in keys])
