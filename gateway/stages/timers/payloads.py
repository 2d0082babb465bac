"""Payloads: what people of the console ask about bytes. Uploads are checked and sent, payloads are rendered to be looked at, a delivered
file is passed on; and what the console was given or shown is removed when its time is over.

What reads a file is done beside the role's other work, by a thread: at most two at a time, and one for each person, who wait in turns. So
no hostile file keeps a delivery waiting, and nobody's files keep another person. The role's own thread reads the ledger before, and writes
the answer after; it renews the lease of what is under way. The reader of a sandbox ends with its thread, and so with the role: a crash
leaves a request that waits, and is prepared anew when the lease has ended; and nothing else, since what was being made is removed when
the role starts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Final

from gateway.domain.decision import Decision
from gateway.domain.redirect import FLOW as REDIRECT
from gateway.domain.redirect import read_wish
from gateway.domain.requests import BESIDE, Act
from gateway.domain.retry import is_due
from gateway.ledger import requests
from gateway.ledger.store import Transaction
from gateway.ledger.units import Request
from gateway.spool import uploads
from gateway.stages import locked_away, redirecting, showing, uploading
from gateway.stages.background_readers import BackgroundReaders
from gateway.stages.context import StageContext, Step
from gateway.stages.decisions import Decided
from gateway.stages.purging import purge
from gateway.stages.quarantine import QUARANTINE
from gateway.stages.request_answers import REFUSALS, Policy, carry_out, refusing
from gateway.validation.plan import Plan

_EVERY: Final = 60.0
_AT_ONCE: Final = 2
"""Threads: each has one reader, which may use as much memory as one of `validate`'s."""

_Work = Callable[[ExitStack], Policy]
"""Prepares an answer and touches no ledger. What the stack closes is needed until the answer is written."""


@dataclass(frozen=True)
class _Running:
    """A request that a thread prepares an answer to."""

    request: Request
    future: Future[Policy]
    stack: ExitStack


class Payloads:
    """Carries out the acts that are BESIDE the role's other work, and SEND. `plans` say how each flow's files are read; `wake` is called
    by a thread when it is done.
    """

    name = "payloads"

    def __init__(
        self, context: StageContext, plans: Mapping[str, Plan], wake: Callable[[], None] = lambda: None
    ) -> None:
        self._context = context
        self._plans = plans
        self._wake = wake
        self._owner = f"{context.ledger.role}/{context.new_id()}"
        self._look = 0.0
        self._readers = BackgroundReaders()
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="payload")
        self._running: dict[str, _Running] = {}
        self._turns: dict[str, int] = {}
        """Of who waits, or has something under way: when they had their last turn, as a count."""
        self._turn = 0
        showing.sweep(context.home.shown, context.clock(), kept=0.0)

    def step(self) -> Step:
        context, now = self._context, self._context.clock()
        if is_due(self._look, now, _EVERY):
            self._look = now + _EVERY
            showing.sweep(context.home.shown, now)
            uploads.sweep(context.home.uploads, now)
        done = self._answer()
        self._renew(now)
        with context.ledger.read() as connection:
            waiting = requests.waiting_at(connection, [Act.SEND], context.node)
            oldest = requests.oldest_of_each(connection, BESIDE, context.node)
        free = [request for request in waiting if requests.is_free(request, self._owner, now)][:1]
        for request in free:
            self._take_in(request)
        done += len(free) + self._start(oldest, now)
        leases = [each.lease for each in (*waiting, *oldest) if not requests.is_free(each, self._owner, now)]
        if self._running:
            leases.append(now + requests.RENEW_SECONDS)
        return Step(done=done, due=min(leases, default=None))

    def close(self) -> None:
        """End what is under way: its requests wait, and are carried out when the role runs again."""
        self._readers.close()
        self._threads.shutdown(wait=True, cancel_futures=True)
        for each in self._running.values():
            each.stack.close()

    def _take_in(self, request: Request) -> None:
        """Take an upload in: its copy, durable, then its row."""
        context = self._context
        with context.ledger.write() as transaction:
            taken = requests.take(transaction, request, self._owner)
        if taken is None:
            return
        with ExitStack() as stack:
            try:
                with context.ledger.read() as connection:
                    requests.require_permitted(connection, taken)
                policy = stack.enter_context(uploading.sending(context, taken))
            except REFUSALS as error:
                policy = refusing(error)
            carry_out(context, taken, self._owner, policy)
            with context.ledger.read() as connection:
                sent = requests.find(connection, taken.id).became is not None
        if sent:
            uploads.remove_upload(context.home.uploads, taken.subject)

    def _start(self, oldest: list[Request], now: float) -> int:
        """Give the threads that are free something to do; how many requests were refused at once."""
        busy = {each.request.actor for each in self._running.values()}
        mine = [each for each in oldest if each.actor not in busy and requests.is_free(each, self._owner, now)]
        known = busy | {each.actor for each in oldest}
        self._turns = {actor: turn for actor, turn in self._turns.items() if actor in known}
        mine.sort(key=lambda each: (self._turns.get(each.actor, 0), each.key))
        refused = 0
        for request in mine:
            if len(self._running) >= _AT_ONCE:
                break
            self._turn += 1
            self._turns[request.actor] = self._turn
            refused += self._begin(request)
        return refused

    def _begin(self, request: Request) -> bool:
        """Have a thread prepare the answer; whether it was refused before."""
        context = self._context
        with context.ledger.write() as transaction:
            taken = requests.take(transaction, request, self._owner)
        if taken is None:
            return False
        try:
            with context.ledger.read() as connection:
                requests.require_permitted(connection, taken)
            work = self._work(taken)
        except REFUSALS as error:
            carry_out(context, taken, self._owner, refusing(error))
            return True
        stack = ExitStack()
        future = self._threads.submit(work, stack)
        self._running[taken.id] = _Running(taken, future, stack)
        future.add_done_callback(lambda _done: self._wake())
        return False

    def _work(self, request: Request) -> _Work:
        """What a thread has to do, by what the ledger says now."""
        context, readers = self._context, self._readers
        match request.act:
            case Act.CHECK:

                def check(_stack: ExitStack) -> Policy:
                    upload = uploading.check(context, readers, request, self._plans)
                    return _done(Decided(uploading.UPLOAD, upload.id, upload.partner, "checked"))

                return check
            case Act.FETCH:
                wanted = showing.to_copy(context, request.subject)

                def fetch(_stack: ExitStack) -> Policy:
                    showing.copy(context, request.id, wanted)
                    return _done(Decided("transfer", wanted.id, wanted.partner, "copied"))

                return fetch
            case Act.EXAMINE_FILE:
                what = locked_away.file_in_quarantine(context, request.subject)

                def examine(_stack: ExitStack) -> Policy:
                    locked_away.show(context, readers, request.id, what, self._plans)
                    return _done(Decided(QUARANTINE, what.locked.id, what.locked.partner, "rendered"))

                return examine
            case Act.REDIRECT:
                return self._passing_on(request)
            case _:
                row, first = showing.asked_for(context, request.subject)

                def show(_stack: ExitStack) -> Policy:
                    showing.show(context, readers, request.id, row, first)
                    return _done(Decided("transfer", row.id, row.partner, "rendered"))

                return show

    def _passing_on(self, request: Request) -> _Work:
        """The document for the right authority, in the thread; the file is passed on in the transaction that answers."""
        context, wish = self._context, read_wish(request.argument)
        decision = Decision(request.actor, request.reason)
        order = redirecting.Order(wish.to, wish.why, wish.opened, request.reason, decision)
        row = redirecting.to_pass_on(context, request.subject, order)

        def pass_on(stack: ExitStack) -> Policy:
            with self._readers.sandbox({REDIRECT: self._plans[REDIRECT]}) as sandbox:
                ready = stack.enter_context(redirecting.prepared(context, row, order, sandbox))

            def record(_context: StageContext, transaction: Transaction, _identity: str, _by: Decision) -> Decided:
                ready.record(transaction)
                return Decided("transfer", row.id, row.partner, "redirected")

            return record

        return pass_on

    def _answer(self) -> int:
        """Write the answers that are prepared; how many."""
        ended = [each for each in self._running.values() if each.future.done()]
        for each in ended:
            del self._running[each.request.id]
            with each.stack:
                try:
                    policy = each.future.result()
                except REFUSALS as error:
                    policy = refusing(error)
                carry_out(self._context, each.request, self._owner, policy)
            if each.request.act is Act.REDIRECT:
                purge(self._context.home, self._context.ledger)
        return len(ended)

    def _renew(self, now: float) -> None:
        """Keep what is under way: a reader may take longer than a lease lasts."""
        old = [
            each
            for each in self._running.values()
            if each.request.lease - requests.LEASE_SECONDS + requests.RENEW_SECONDS <= now
        ]
        if not old:
            return
        with self._context.ledger.write() as transaction:
            for each in old:
                if (taken := requests.take(transaction, each.request, self._owner)) is not None:
                    self._running[each.request.id] = replace(each, request=taken)


def _done(decided: Decided) -> Policy:
    def policy(_context: StageContext, _transaction: Transaction, _identity: str, _decision: Decision) -> Decided:
        return decided

    return policy
