"""Background: large consignments are worked on in a thread, one at a time, while the small ones overtake them.

`Background` is the thread, with an OpenPGP engine of its own. `ConsignmentQueues` is the step that `open` and `seal` share.
Raises nothing of its own; what the work raises comes out of `take`. Safe, because the thread touches files and its engine
only: the role's own thread reads the ledger before and writes it after. gpg is a process, and Zstandard and hashing
release the interpreter's lock, so they hardly delay the small consignments.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Final, Generic, Protocol, TypeVar

from gateway.crypto.contract import OpenPgp
from gateway.domain.states import Direction, State
from gateway.ledger.queries import deadlines
from gateway.ledger.store import Connection
from gateway.ledger.units import Consignment
from gateway.stages.context import StageContext, Step

LARGE_PLAIN: Final = 16 * 1024 * 1024
"""Bytes of files from which on a consignment takes long to seal: a tenth of a second and more."""

LARGE_SEALED: Final = 4 * 1024 * 1024
"""Bytes of a sealed file from which on it may take as long to open: case data shrink."""

_Job = TypeVar("_Job")
_Result = TypeVar("_Result")


class Background(Generic[_Result]):
    """At most one piece of work at a time. `wake` is called from the thread when its result waits."""

    def __init__(self, engine: OpenPgp, wake: Callable[[], None]) -> None:
        self._engine = engine
        self._wake = wake
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="large")
        self._work: Future[_Result] | None = None

    @property
    def busy(self) -> bool:
        return self._work is not None

    def start(self, work: Callable[[OpenPgp], _Result]) -> None:
        self._work = self._pool.submit(work, self._engine)
        self._work.add_done_callback(lambda _done: self._wake())

    def take(self) -> _Result | None:
        """The result of the work that has ended, once; what it raised is raised here."""
        work = self._work
        if work is None or not work.done():
            return None
        self._work = None
        return work.result()

    def close(self) -> None:
        """Wait for the work under way, and leave its engine."""
        self._pool.shutdown(wait=True)
        self._engine.close()


class Choose(Protocol):
    """Chooses the next consignment after the partner whose turn was last: only a large one, only a small one, or either."""

    def __call__(self, connection: Connection, after: str, *, large: bool | None) -> Consignment | None: ...


class ConsignmentQueues(Generic[_Job, _Result]):
    """The consignments in one state, partner by partner: small ones in the role's own thread, one a step, and large ones
    in the background. Without a `background` all go through the role's thread.

    `prepare` reads what the work needs of the ledger; it returns None where that failed and is recorded already. `work`
    may run in a thread and leaves the ledger alone. `record` writes its result down.
    """

    def __init__(
        self,
        context: StageContext,
        engine: OpenPgp,
        background: Background[_Result] | None,
        *,
        waiting: tuple[Direction, State],
        choose: Choose,
        prepare: Callable[[Consignment], _Job | None],
        work: Callable[[_Job, OpenPgp], _Result],
        record: Callable[[_Result], None],
    ) -> None:
        self._context = context
        self._engine = engine
        self._background = background
        self._waiting = waiting
        self._choose = choose
        self._prepare = prepare
        self._work = work
        self._record = record
        self._after = {True: "", False: ""}  # by whether large
        self._begun = ("", 0)
        """Of the work in the background: the partner, and the epoch in which it began."""

    def step(self) -> Step:
        done = self._step_background()
        direction, state = self._waiting
        with self._context.ledger.read() as connection:
            stopped = self._context.stopped
            due = deadlines.next_due(connection, Consignment, direction, [state], but=stopped)
            row = self._choose(connection, self._after[False], large=False if self._background else None)
        if row is not None:
            self._after[False] = row.partner
            if (job := self._prepare(row)) is not None:
                self._record(self._work(job, self._engine))
            done += 1
        # One in the background counts as due until it is recorded: that wakes the role, which need not look before.
        return Step(done=done, due=None if self._background and self._background.busy else due)

    def close(self) -> None:
        self._engine.close()
        if self._background is not None:
            self._background.close()

    def _step_background(self) -> int:
        """Record what was done in the background and start the next large one; how many were done."""
        background, done = self._background, 0
        if background is None:
            return 0
        if (result := background.take()) is not None:
            if self._context.has_kept(*self._begun):  # else another node has the consignment, and does it again
                self._record(result)
            done = 1
        if not background.busy:
            with self._context.ledger.read() as connection:
                row = self._choose(connection, self._after[True], large=True)
            if row is not None:
                self._after[True] = row.partner
                if (job := self._prepare(row)) is not None:
                    self._begun = (row.partner, self._context.epoch())
                    background.start(partial(self._work, job))
        return done
