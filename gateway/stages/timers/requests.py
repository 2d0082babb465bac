"""Requests: what people ask through the ledger is taken here, with an owner and a lease, and carried out. Once an hour, proposals that no
second person decided in time are ended; and twice a minute, what was asked at a node that is gone, and only that one could have answered.

A crash at any moment leaves either the answer, or a request that waits: the same process takes it again at its next step,
another one when the lease has ended.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final

from gateway.domain.requests import BESIDE, PROVING, Act
from gateway.domain.retry import is_due
from gateway.errors import NodeGone
from gateway.ledger import proposals, requests
from gateway.ledger.requests import Refused
from gateway.stages.context import StageContext, Step
from gateway.stages.request_answers import carry_out, refuse

INSPECT_ACTS: Final = tuple(act for act in Act if act.role == "inspect" and act not in BESIDE and act is not Act.SEND)
VAULT_ACTS: Final = tuple(act for act in Act if act.role == "vault" and act not in PROVING)

_AT_ONCE: Final = 50
_EVERY: Final = 3600.0
_STRANDED_EVERY: Final = 30.0
_DAY: Final = 86_400.0


class Requests:
    """Carries out those of the site's requests that are for some acts. `name` is the stage's in the itinerary."""

    def __init__(self, context: StageContext, name: str, acts: Collection[Act]) -> None:
        self._context = context
        self._acts = acts
        self._owner = f"{context.ledger.role}/{context.new_id()}"
        self._look = self._stranded_look = 0.0
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
        lapsed = self._lapse(now) if is_due(self._look, now, _EVERY) else 0
        stranded = self._strand() if is_due(self._stranded_look, now, _STRANDED_EVERY) else 0
        return Step(done=len(free) + lapsed + stranded, due=min(leases, default=None))

    def _lapse(self, now: float) -> int:
        """End the proposals that are over their time; how many those were."""
        ledger, until = self._context.ledger, now - self._context.settings.console.proposal_days * _DAY
        self._look = now + _EVERY
        with ledger.read() as connection:
            over = proposals.over(connection, self._acts, until)
        if not over:
            return 0
        with ledger.write() as transaction:
            return proposals.lapse(transaction, over)

    def _strand(self) -> int:
        """Refuse what waits for a node that cannot answer any more; how many requests that were. One of the two stages does it."""
        context = self._context
        self._stranded_look = context.clock() + _STRANDED_EVERY
        if self._acts is not INSPECT_ACTS:
            return 0
        with context.ledger.read() as connection:
            found = requests.stranded(connection, context.node)
        for request in found:
            where = (
                "before this site had nodes" if request.node is None else f"at the node {request.node}, which is gone"
            )
            error = NodeGone(f"It was asked {where}, and only the machine that was asked could have answered.")
            refuse(context, request, self._owner, Refused(error.code, error.reason, error.remedy))
        return len(found)

    def close(self) -> None:
        pass
