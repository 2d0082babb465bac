"""Link trials: a person of the console asks whether the link to a partner works, and the role that has the key tries it.

One at a time, in a thread of its own, so that a server that is slow or away holds up nothing. Each step is an event of the chain about the
request while the trial goes on, and the answer says how it ended. Where the role ends meanwhile the request waits, and the link is tried anew.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gateway.domain.decision import Decision
from gateway.domain.requests import Act
from gateway.errors import GatewayError, NotFound, PartnerSuspended, UsageWrong
from gateway.ledger import requests
from gateway.ledger.queries import trials
from gateway.ledger.store import Transaction
from gateway.ledger.units import Request
from gateway.logs import safe_text
from gateway.settings.model import Partner
from gateway.stages.context import StageContext, Step
from gateway.stages.decisions import Decided
from gateway.stages.request_answers import REFUSALS, Policy, carry_out, refusing

LINK_ACTS: Final = (Act.TEST_LINK,)
WORKS: Final = "works"
FAILS: Final = "fails"
_DEFECT: Final = "internal"


@dataclass(frozen=True)
class TrialStep:
    """A step of a trial: its name, what became of it, why, and the code of the error where it failed."""

    name: str
    outcome: str
    reason: str | None = None
    code: str | None = None


@dataclass(frozen=True)
class TrialEnd:
    """How a trial ended: the code and the reason of what would fail; None where nothing would."""

    code: str | None = None
    reason: str | None = None


Trial = Callable[[Partner, Callable[[TrialStep], None]], TrialEnd]
"""Tries the link to a partner, tells of each step, and leaves nothing there. Raises the GatewayError that says why there is no connection."""


class LinkTrials:
    """Carries out LINK_ACTS. `wake` is called from the thread when there is something to record."""

    name = "link-trials"

    def __init__(self, context: StageContext, trial: Trial, wake: Callable[[], None]) -> None:
        self._context = context
        self._trial = trial
        self._wake = wake
        self._owner = f"{context.ledger.role}/{context.new_id()}"
        self._running: _Running | None = None

    def step(self) -> Step:
        if self._running is not None:
            return self._go_on(self._running)
        context, now = self._context, self._context.clock()
        with context.ledger.read() as connection:
            waiting = requests.waiting(connection, LINK_ACTS)
        free = [request for request in waiting if requests.is_free(request, self._owner, now)][:1]
        leases = [request.lease for request in waiting if not requests.is_free(request, self._owner, now)]
        for request in free:
            self._begin(request)
        return Step(done=len(free), due=min(leases, default=None), quiet=True)

    def close(self) -> None:
        """A trial under way is left alone: its thread ends with its connection, and nobody hears it."""

    def _begin(self, request: Request) -> None:
        context = self._context
        try:
            with context.ledger.write() as transaction:
                taken = requests.take(transaction, request, self._owner)
                if taken is None:
                    return
                requests.require_permitted(transaction.connection, taken)
            running = _Running(taken, self._partner(request.subject))
        except REFUSALS as error:
            carry_out(context, request, self._owner, refusing(error))
            return
        self._running = running
        running.start(self._trial, self._wake)

    def _partner(self, code: str) -> Partner:
        settings = self._context.settings
        if code in settings.stopped:
            raise PartnerSuspended(f"Partner {code} is stopped or suspended: its link is not tried.")
        if code not in settings.partners:
            raise NotFound(f"There is no partner {code[:20]}.")
        partner = settings.partners[code]
        if partner.endpoint is None and partner.link != "mail":
            raise UsageWrong(f"Partner {code} has no server that could be tested: its link is {partner.link}.")
        return partner

    def _go_on(self, running: _Running) -> Step:
        """Record what the thread has told meanwhile, and the answer where it has ended."""
        context, request = self._context, running.request
        ended = running.has_ended()  # before the rest of its steps is taken
        told = running.take()
        with context.ledger.write() as transaction:
            taken = requests.take(transaction, request, self._owner)
            if taken is None:  # answered or taken by another process: what is told now is nobody's
                self._running = None
                return Step(done=1, quiet=True)
            for each in told:
                transaction.record(trials.STEPPED, requests.KIND, request.id, request.subject, **_detail(each))
        if not ended:
            return Step(done=len(told), due=context.clock() + requests.RENEW_SECONDS, quiet=True)
        self._running = None
        carry_out(context, taken, self._owner, _answering(request, running.end))
        return Step(done=1, quiet=True)


class _Running:
    """A trial in its thread."""

    def __init__(self, request: Request, partner: Partner) -> None:
        self.request = request
        self.end = TrialEnd(_DEFECT, "the trial ended by a defect of the gateway: its log says which")
        self._partner = partner
        self._told: queue.SimpleQueue[TrialStep] = queue.SimpleQueue()
        self._ended = threading.Event()

    def start(self, trial: Trial, wake: Callable[[], None]) -> None:
        # A daemon: the process may end while the partner's server still thinks.
        threading.Thread(target=self._run, args=(trial, wake), name="trial", daemon=True).start()

    def has_ended(self) -> bool:
        return self._ended.is_set()

    def take(self) -> list[TrialStep]:
        """What was told since this was asked last."""
        return [self._told.get() for _ in range(self._told.qsize())]

    def _run(self, trial: Trial, wake: Callable[[], None]) -> None:
        def tell(step: TrialStep) -> None:
            self._told.put(step)
            wake()

        try:
            self.end = trial(self._partner, tell)
        except GatewayError as error:
            self.end = TrialEnd(error.code, error.reason)
        finally:
            self._ended.set()
            wake()


def _detail(step: TrialStep) -> Mapping[str, Any]:
    return {
        "stage": step.name,
        "outcome": step.outcome,
        "reason": safe_text(step.reason) if step.reason else None,
        "code": step.code,
    }


def _answering(request: Request, end: TrialEnd) -> Policy:
    def policy(_context: StageContext, transaction: Transaction, _subject: str, decision: Decision) -> Decided:
        outcome = WORKS if end.code is None else FAILS
        reason = safe_text(end.reason) if end.reason else None
        said: dict[str, Any] = {"outcome": outcome, "code": end.code, "reason": reason, "actor": decision.actor}
        about = trials.subject_of(request.subject)
        transaction.record(trials.TRIED, trials.KIND, about, request.subject, request=request.id, **said)
        state = outcome if end.code is None else f"{outcome}: {end.code}"
        return Decided("partner", request.subject, request.subject, state)

    return policy
