"""Payloads: what people of the console ask about bytes. Uploads are checked and sent, payloads are rendered to be looked at; and what
the console was given or shown is removed when its time is over.

One request at a step, since each may read a file: the role's other work goes on between them. What a request needs is prepared before
the transaction that answers it. A crash leaves a request that waits, and is prepared anew; or an answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import ExitStack
from typing import Final

from gateway.domain.decision import Decision
from gateway.domain.requests import READING, Act
from gateway.domain.retry import is_due
from gateway.errors import GatewayError
from gateway.ledger import requests
from gateway.ledger.store import Transaction
from gateway.ledger.units import Request
from gateway.spool import uploads
from gateway.stages import showing, uploading
from gateway.stages.context import StageContext, Step
from gateway.stages.decisions import Decided
from gateway.stages.request_answers import REFUSALS, Policy, carry_out
from gateway.validation.plan import Plan

_EVERY: Final = 60.0


class Payloads:
    """Carries out the READING acts. `plans` say how each flow's files are read."""

    name = "payloads"

    def __init__(self, context: StageContext, plans: Mapping[str, Plan]) -> None:
        self._context = context
        self._plans = plans
        self._owner = f"{context.ledger.role}/{context.new_id()}"
        self._look = 0.0
        showing.sweep(context.home.shown, context.clock(), kept=0.0)

    def step(self) -> Step:
        context, now = self._context, self._context.clock()
        if is_due(self._look, now, _EVERY):
            self._look = now + _EVERY
            showing.sweep(context.home.shown, now)
            uploads.sweep(context.home.uploads, now)
        with context.ledger.read() as connection:
            waiting = requests.waiting(connection, READING)
        free = [request for request in waiting if requests.is_free(request, self._owner, now)][:1]
        leases = [request.lease for request in waiting if not requests.is_free(request, self._owner, now)]
        for request in free:
            self._carry_out(request)
        return Step(done=len(free), due=min(leases, default=None))

    def close(self) -> None:
        pass

    def _carry_out(self, request: Request) -> None:
        context = self._context
        with context.ledger.write() as transaction:
            taken = requests.take(transaction, request, self._owner)
        if taken is None:
            return
        with ExitStack() as stack:
            try:
                with context.ledger.read() as connection:
                    requests.require_permitted(connection, taken)
                policy = self._prepare(stack, taken)
            except REFUSALS as error:
                policy = _refusing(error)
            carry_out(context, taken, self._owner, policy)
            with context.ledger.read() as connection:
                sent = requests.find(connection, taken.id).became is not None and taken.act is Act.SEND
        if sent:
            uploads.remove_upload(context.home.uploads, taken.subject)

    def _prepare(self, stack: ExitStack, request: Request) -> Policy:
        context = self._context
        match request.act:
            case Act.CHECK:
                upload = uploading.check(context, request, self._plans)
                return _done(Decided(uploading.UPLOAD, upload.id, upload.partner, "checked"))
            case Act.SEND:
                return stack.enter_context(uploading.sending(context, request))
            case Act.FETCH:
                row = showing.copy(context, request.id, request.subject)
                return _done(Decided("transfer", row.id, row.partner, "copied"))
            case _:
                row = showing.show(context, request.id, request.subject)
                return _done(Decided("transfer", row.id, row.partner, "rendered"))


def _done(decided: Decided) -> Policy:
    def policy(_context: StageContext, _transaction: Transaction, _identity: str, _decision: Decision) -> Decided:
        return decided

    return policy


def _refusing(error: GatewayError) -> Policy:
    def policy(_context: StageContext, _transaction: Transaction, _identity: str, _decision: Decision) -> Decided:
        raise error

    return policy
