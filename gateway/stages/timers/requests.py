"""Requests: what people ask through the ledger is taken here, with an owner and a lease, and carried out.

A crash at any moment leaves either the answer, or a request that waits: the same process takes it again at its next step,
another one when the lease has ended.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from gateway.domain.requests import Act
from gateway.ledger import requests
from gateway.stages.context import StageContext, Step
from gateway.stages.request_answers import carry_out

INSPECT_ACTS: Final = tuple(act for act in Act if act.role == "inspect")
VAULT_ACTS: Final = tuple(act for act in Act if act.role == "vault")

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
