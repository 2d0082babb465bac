"""The back office's answer by a program: asked through the ledger for the token's owner, carried out as an answer file would be.

The same answer with the same idempotency key is one request, for a day: the console's store knows the key. After a crash between the two
databases the key is not known, and the program's second request says what the first one said, which changes nothing. Raises NotFound for what is
not there, or not the token's business, and does not say which of the two; OutcomeContrary, UsageWrong for what cannot be answered, KeyReused,
RightMissing, and what the store and the ledger raise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from orjson import dumps

from gateway.administration.credentials.context import CredentialContext
from gateway.administration.credentials.refusals import TOKEN
from gateway.administration.requests.repeated import known, reply_of
from gateway.daemon.wake_ups import wake
from gateway.domain.back_office_answer import AnswerVerdict, BackOfficeAnswer, judge, reason_of
from gateway.domain.identity import is_id
from gateway.domain.people import Right, Token, may
from gateway.domain.requests import Act
from gateway.domain.states import Direction, State
from gateway.errors import NotFound, OutcomeContrary, UsageWrong
from gateway.ledger import requests
from gateway.ledger.queries.identities import by_ids
from gateway.ledger.store import Connection
from gateway.ledger.units import Request, Transfer
from gateway.settings.model import Settings

ACTS: Final = {BackOfficeAnswer.ACCEPTED: Act.ACCEPT, BackOfficeAnswer.REJECTED: Act.REJECT}


@dataclass(frozen=True)
class Outcome:
    """What the back office says of a transfer; `findings` are what was wrong with one that it rejects."""

    transfer: str
    answer: BackOfficeAnswer
    findings: Sequence[str] = ()


def seen(connection: Connection, token: Token, identity: str, right: Right) -> Transfer:
    """The transfer of that id that a token may do this with; NotFound where there is none."""
    rows = [row for each in Direction for row in by_ids(connection, each, [identity])] if is_id(identity) else []
    mine = [row for row in rows if may(token, right, row.flow, row.partner)]
    if not mine:
        raise NotFound("there is no such transfer")
    return mine[-1]


def answer(context: CredentialContext, settings: Settings, token: Token, key: str, outcome: Outcome) -> Request:
    """Ask for the answer to be carried out; the request, or the one that the same key became before."""
    act = ACTS[outcome.answer]
    reply = reply_of(context, token, key, dumps([act, outcome.transfer, list(outcome.findings)]))
    with context.store.write() as records:
        if (before := known(context, records, reply)) is not None:
            return before
        reason = reason_of("\n".join(outcome.findings).encode()) or ""
        with context.ledger.write() as transaction:
            row = seen(transaction.connection, token, outcome.transfer, act.right)
            _require_answerable(row, outcome.answer)
            asked = requests.ask(transaction, reply.request, act, row.id, token.owner.user, reason)
            told: dict[str, Any] = {"act": str(act), "actor": token.owner.user, "transfer": row.id, "flow": row.flow}
            transaction.record("token.answered", TOKEN, token.name, row.partner, **told)
        records.keep_reply(reply)
    wake(settings.home.run, act.role)
    return asked


def find(connection: Connection, token: Token, identity: str) -> Request:
    """The request of that id where it is an answer about a transfer that the token may answer; else NotFound."""
    request = requests.find(connection, identity)
    if request.act not in ACTS.values():
        raise NotFound("there is no such answer")
    seen(connection, token, request.subject, request.act.right)
    return request


def _require_answerable(row: Transfer, answer: BackOfficeAnswer) -> None:
    """The same is asked again where the answer is carried out: here it saves whoever asks a round."""
    if row.direction != Direction.IN or row.state not in (State.DELIVERED, State.INGESTED):
        raise UsageWrong(f"transfer {row.id} is {row.state}: only what was delivered here can be answered")
    if judge(answer, "", [row], {})[0] is AnswerVerdict.CONTRARY:
        raise OutcomeContrary
