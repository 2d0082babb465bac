"""Requests: what people ask through the ledger is carried out here, after the policy in `stages.decisions` was asked again.

The act, its event and the request's answer are one transaction. A refusal is written in a transaction of its own, since that
of the act is rolled back. So a crash at any moment leaves either the answer, or a request that waits: the same process
takes it again at its next step, another one when the lease has ended.

`gateway hold` and its like do not wait for a role: `decide` asks and carries out in one transaction.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from types import MappingProxyType
from typing import Final

from gateway.domain.requests import Act
from gateway.errors import GatewayError, Hold, ImpossibleMove, Misuse, Quarantine, Reject
from gateway.ledger import requests
from gateway.ledger.requests import Done, Refused
from gateway.ledger.store import Transaction
from gateway.ledger.units import Request
from gateway.logs import safe_text
from gateway.stages import decisions
from gateway.stages.context import StageContext, Step
from gateway.stages.decisions import Decided, Decision

INSPECT_ACTS: Final = tuple(act for act in Act if act.role == "inspect")
VAULT_ACTS: Final = tuple(act for act in Act if act.role == "vault")

_POLICY: Final[Mapping[Act, Callable[[StageContext, Transaction, str, Decision], Decided]]] = MappingProxyType(
    {
        Act.HOLD: decisions.hold,
        Act.RELEASE: decisions.release,
        Act.RETRY: decisions.retry,
        Act.RETURN: decisions.return_to_operator,
        Act.DISCARD: decisions.discard,
    }
)
_REFUSALS: Final = (Misuse, Reject, Quarantine, Hold, ImpossibleMove)
"""Answers, not faults of this machine. ImpossibleMove is a Halt elsewhere; a person's wish does not stop a gateway."""
_AT_ONCE: Final = 50


class Requests:
    """Carries out those of the site's requests that are for some acts. `name` is the stage's in the itinerary."""

    def __init__(self, context: StageContext, name: str, acts: Collection[Act]) -> None:
        self._context = context
        self._acts = acts
        self._owner = f"{context.ledger.role}/{context.new_id()}"
        self.name = name

    def step(self) -> Step:
        context, now = self._context, self._context.clock()
        with context.ledger.read() as connection:
            waiting = requests.waiting(connection, self._acts)
        free = [request for request in waiting if requests.is_free(request, self._owner, now)][:_AT_ONCE]
        leases = [request.lease for request in waiting if not requests.is_free(request, self._owner, now)]
        if free:
            with context.ledger.write() as transaction:
                free = [taken for each in free if (taken := requests.take(transaction, each, self._owner)) is not None]
            for request in free:
                carry_out(context, request, self._owner)
        return Step(done=len(free), due=min(leases, default=None))

    def close(self) -> None:
        pass


def carry_out(context: StageContext, request: Request, owner: str) -> None:
    """Do what a request asks for, or refuse it; nothing where it has an answer, or belongs to another process by now.

    Lets a Defer and a Halt through: the request waits.
    """
    try:
        with context.ledger.write() as transaction:
            taken = requests.take(transaction, request, owner)
            if taken is not None:
                _act(context, transaction, taken, taken.subject, Decision(taken.actor, taken.reason))
    except _REFUSALS as error:
        with context.ledger.write() as transaction:
            taken = requests.take(transaction, request, owner)
            if taken is not None:
                requests.finish(transaction, taken, _refused(error, taken))


def decide(context: StageContext, act: Act, identity: str, decision: Decision) -> Decided:
    """Ask for an act and carry it out in one transaction; a refusal is recorded as well, and raised."""

    def ask(transaction: Transaction) -> Request:
        wanted = (act, safe_text(identity), decision.actor, decision.reason)
        return requests.ask(transaction, context.new_id(), *wanted, owner=context.ledger.role)

    try:
        with context.ledger.write() as transaction:
            return _act(context, transaction, ask(transaction), identity, decision)
    except _REFUSALS as error:
        with context.ledger.write() as transaction:
            request = ask(transaction)
            requests.finish(transaction, request, _refused(error, request))
        raise


def _act(
    context: StageContext, transaction: Transaction, request: Request, identity: str, decision: Decision
) -> Decided:
    done = _POLICY[request.act](context, transaction, identity, decision)
    requests.finish(transaction, request, Done(done.kind, done.identity, done.partner, str(done.state)))
    return done


def _refused(error: GatewayError, request: Request) -> Refused:
    return Refused(error.code, error.reason, error.remedy.replace(" ID", f" {request.subject}"))
