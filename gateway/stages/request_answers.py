"""The answers to requests: whether the people behind it may, and the policy in `stages.decisions`, are asked again, and the act is done
or refused.

The act, its event and the request's answer are one transaction. A refusal and its event are written in a transaction of their
own, since that of the act is rolled back. A stage carries out what people of the console asked before, each of them as the ledger has
them in that transaction. A command asks and carries out in one transaction, so that it needs no role that runs; who has the machine's
account is no person of the console, and no second one is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from gateway.domain.decision import Decision
from gateway.domain.requests import LOOKING, Act
from gateway.errors import GatewayError, Hold, ImpossibleMove, Misuse, Quarantine, Reject, StoreFileLost
from gateway.ledger import requests
from gateway.ledger.requests import Done, Refused
from gateway.ledger.store import Transaction
from gateway.ledger.units import Request
from gateway.logs import safe_text
from gateway.stages import back_office, continuity, decisions, legal_holds, quarantine, suspensions
from gateway.stages.context import StageContext
from gateway.stages.decisions import Decided
from gateway.stages.refusals import record_refused

Policy = Callable[[StageContext, Transaction, str, Decision], Decided]
"""What does an act about a subject, for whoever decided it, in the transaction that answers."""

_POLICY: Final[Mapping[Act, Policy]] = MappingProxyType(
    {
        Act.HOLD: decisions.hold,
        Act.RELEASE: decisions.release,
        Act.RETRY: decisions.retry,
        Act.RETURN: decisions.return_to_operator,
        Act.ACCEPT: back_office.accept,
        Act.REJECT: back_office.reject,
        Act.DISCARD: decisions.discard,
        Act.INVOKE_CONTINUITY: continuity.invoke,
        Act.UPDATE_CONTINUITY: continuity.update,
        Act.NOTE_TOLD: continuity.told,
        Act.END_CONTINUITY: continuity.end,
        Act.HOLD_RETENTION: legal_holds.place_asked,
        Act.RELEASE_RETENTION: legal_holds.release_asked,
        Act.SUSPEND_PARTNER: suspensions.suspend,
        Act.RESUME_PARTNER: suspensions.resume,
    }
)
_PREPARED: Final[Mapping[Act, Callable[[StageContext, str], Policy]]] = MappingProxyType(
    {Act.EXAMINE_SEALED: quarantine.describe}
)
"""The policies that need work with files, which is done before the transaction. It refuses nobody: the policy does, where they may ask at all."""

REFUSALS: Final = (Misuse, Reject, Quarantine, Hold, ImpossibleMove, StoreFileLost)
"""Answers, not faults of this machine. ImpossibleMove is a Halt elsewhere; a person's wish does not stop a gateway. A file that the store
has lost would keep all other wishes waiting.
"""


def carry_out(context: StageContext, request: Request, owner: str, policy: Policy | None = None) -> None:
    """Do what a request asks for, or refuse it; nothing where it has an answer, or belongs to another process by now.

    `policy` is for acts that need more than the ledger: whoever carries one out has prepared it. Lets a Defer and a Halt through: the
    request waits.
    """
    policy = policy or _policy(context, request.act, request.subject)
    try:
        with context.ledger.write() as transaction:
            taken = requests.take(transaction, request, owner)
            if taken is not None:
                requests.require_permitted(transaction.connection, taken)
                meant = taken.subject if taken.argument is None else taken.argument
                _act(context, transaction, taken, meant, _decision(taken), policy)
    except REFUSALS as error:
        refuse(context, request, owner, _refusal(request, error))


def refuse(context: StageContext, request: Request, owner: str, refusal: Refused) -> None:
    """Refuse a request in a transaction of its own; nothing where it has an answer, or belongs to another process by now."""
    with context.ledger.write() as transaction:
        taken = requests.take(transaction, request, owner)
        if taken is not None:
            _refuse(context, transaction, taken, _decision(taken), refusal)


def refusing(error: GatewayError) -> Policy:
    """What refuses for the reason of that error, where the people behind the request may ask for it at all."""

    def policy(_context: StageContext, _transaction: Transaction, _identity: str, _decision: Decision) -> Decided:
        raise error

    return policy


def decide(context: StageContext, act: Act, identity: str, decision: Decision) -> Decided:
    """Ask for an act and carry it out in one transaction; a refusal is recorded as well, and raised."""

    def ask(transaction: Transaction) -> Request:
        wanted = (act, safe_text(identity), decision.actor, decision.reason)
        return requests.ask(transaction, context.new_id(), *wanted, owner=context.ledger.role)

    policy = _policy(context, act, identity)
    try:
        with context.ledger.write() as transaction:
            return _act(context, transaction, ask(transaction), identity, decision, policy)
    except REFUSALS as error:
        with context.ledger.write() as transaction:
            request = ask(transaction)
            _refuse(context, transaction, request, decision, _refusal(request, error))
        raise


def _policy(context: StageContext, act: Act, identity: str) -> Policy:
    return _PREPARED[act](context, identity) if act in _PREPARED else _POLICY[act]


def _decision(request: Request) -> Decision:
    return Decision(request.actor, request.reason, second=request.decider)


def _act(
    context: StageContext,
    transaction: Transaction,
    request: Request,
    identity: str,
    decision: Decision,
    policy: Policy,
) -> Decided:
    done = policy(context, transaction, identity, decision)
    requests.finish(transaction, request, Done(done.kind, done.identity, done.partner or None, str(done.state)))
    return done


def _about(request: Request) -> str:
    """What a refusal's event is about; of who looked nothing is told where the file's own story is."""
    return str(request.act) if request.act in LOOKING else request.subject


def _refusal(request: Request, error: GatewayError) -> Refused:
    return Refused(error.code, error.reason, error.remedy.replace(" ID", f" {request.subject}"))


def _refuse(
    context: StageContext, transaction: Transaction, request: Request, decision: Decision, refusal: Refused
) -> None:
    record_refused(transaction, context.settings, str(request.act), _about(request), decision, refusal.code)
    requests.finish(transaction, request, refusal)
