"""Have files read by processes that may die of it: a small pool of workers, each under limits, each replaceable.

A file that kills its reader, or keeps it too long, is answered with `Crash`; every other file is answered as if nothing had
happened. ConfigurationInvalid is raised where a validator cannot be built, ReadersFailed where workers exit again and again
before they read anything.

Files are handed over in batches of what is there now, so nobody waits for a batch to fill. A batch is small in files and in bytes:
a large file goes by itself, and nothing is queued behind a very large one.

Why it is safe: workers take no code from anywhere and hold no key. `confinement` says what they give up, `reader` and `progress`
how they are watched, `messages` how they speak. The kernel ends workers with the thread that started them, and a sandbox serves one thread
and one `validate` at a time.
"""

from __future__ import annotations

import os
import selectors
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, Self

from gateway.errors import ConfigurationInvalid, DiskFailed, ReadersFailed
from gateway.validation.contract import Report
from gateway.validation.plan import Plan
from gateway.validation.sandbox.confinement import WorkerLimits
from gateway.validation.sandbox.reader import Crash, Job, Reader

__all__ = ["Crash", "Job", "Plan", "Sandbox", "WorkerLimits"]

_DEPTH: Final = 2
"""Batches that a worker has: one in its hands and one ahead, so that it never waits for us."""
_BATCH: Final = 32
"""Jobs in one batch."""
_BATCH_BYTES: Final = 256 << 10
"""Of reading in a batch of several jobs."""
_BATCH_NAMES: Final = 4 << 10
"""Characters of paths in a batch of several jobs: so all that is on its way to a worker fits into its pipe, and writing waits for
nobody.
"""
_AHEAD_BYTES: Final = 1 << 20
"""No job is queued behind this much reading: another worker may be free earlier."""
_FRUITLESS: Final = 4
"""Workers that may exit one after the other without an answer."""
DEFAULT_LIMITS: Final = WorkerLimits()

Answer = tuple[Job, Report | Crash]


class Sandbox:
    """A pool of `workers` processes that have a validator for each flow in `plans`. Starts those that are missing when they
    are needed, and before that where `start` asks for it.
    """

    def __init__(self, plans: Mapping[str, Plan], workers: int = 2, limits: WorkerLimits = DEFAULT_LIMITS) -> None:
        self._plans = dict(plans)
        self._workers = workers
        self._limits = limits
        self._readers: list[Reader] = []
        self._selector = selectors.DefaultSelector()
        self._fruitless = 0
        self._number = 0
        self._abandoned = False
        self._away = 0.0
        """Seconds for which the caller had answers in its hands, and nobody listened to the readers."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every worker."""
        for reader in list(self._readers):
            self._let_go(reader)
            reader.dismiss()
        self._selector.close()

    def abandon(self) -> None:
        """End every worker at once, from another thread than the one that waits for them: what they read is not read to its end."""
        self._abandoned = True
        for reader in list(self._readers):
            reader.kill()

    def start(self) -> None:
        """Have every worker build its validators now, so that the first files do not wait for it. Does not wait itself.

        Raises ReadersFailed and DiskFailed as `validate` does.
        """
        self._staff()

    @property
    def pids(self) -> tuple[int, ...]:
        """The processes that there are now; for people and tests to look at."""
        return tuple(reader.pid for reader in self._readers)

    def validate(self, jobs: Sequence[Job]) -> Iterator[Answer]:
        """Read every file; exactly one answer for each job, in the order in which they are done.

        KeyError is raised for a flow without a plan. A caller that stops listening loses nothing but the workers that
        were busy.
        """
        for job in jobs:
            self._plans[job.flow]
        self._away = 0.0
        waiting = deque(_located(job) for job in jobs)
        try:
            while waiting or any(reader.load for reader in self._readers):
                self._staff()
                self._hand_out(waiting)
                answers = self._gather(waiting)
                left = time.monotonic()
                yield from answers
                self._away = time.monotonic() - left
        finally:
            for reader in [reader for reader in self._readers if reader.load]:
                self._let_go(reader)
                reader.end()

    # -- workers

    def _staff(self) -> None:
        """Fill the places that are empty."""
        while len(self._readers) < self._workers:
            try:
                reader = Reader(self._plans, self._limits)
            except (FileNotFoundError, PermissionError) as error:
                raise ReadersFailed(f"a reader cannot be started: {error.strerror}") from error
            except OSError as error:
                # No process, memory or descriptor left for one: there may be later.
                raise DiskFailed(f"a reader cannot be started now: {error.strerror}") from error
            self._readers.append(reader)
            self._selector.register(reader.outlet, selectors.EVENT_READ, reader)
            self._selector.register(reader.stderr_outlet, selectors.EVENT_READ, reader)
        if self._abandoned:  # after each start: whoever abandons it ends the workers of that moment
            raise ReadersFailed("the readers were given up")

    def _let_go(self, reader: Reader) -> None:
        self._readers.remove(reader)
        self._selector.unregister(reader.outlet)
        self._selector.unregister(reader.stderr_outlet)

    def _bury(
        self, reader: Reader, waiting: deque[Job], *, overdue: bool = False, nonsense: bool = False
    ) -> list[Answer]:
        """Take a dead worker's jobs back; the one that it died of is answered."""
        self._let_go(reader)
        reader.end(overdue=overdue, nonsense=nonsense)
        if reader.fault is not None:
            raise ConfigurationInvalid(reader.fault)
        died_of, unread = reader.legacy()
        waiting.extendleft(reversed(unread))
        if died_of is not None:
            self._fruitless = 0
            return [died_of]
        self._fruitless += 1
        if self._fruitless >= _FRUITLESS * self._workers:
            raise ReadersFailed(f"{self._fruitless} readers ended before they had read anything: {reader.epitaph()}")
        return []

    # -- work

    def _hand_out(self, waiting: deque[Job]) -> None:
        """Batches to those workers that have room, the idle first. They shrink towards the end, so that all workers end together."""
        while waiting:
            free = [r for r in self._readers if r.ready and r.batches < _DEPTH and r.load_bytes < _AHEAD_BYTES]
            if not free:
                return
            batch = _batch(waiting, min(_BATCH, -(-len(waiting) // (_DEPTH * self._workers))))
            min(free, key=lambda reader: reader.load).give(self._number + 1, batch)
            self._number += len(batch)

    def _gather(self, waiting: deque[Job]) -> list[Answer]:
        """Wait until a worker answers or is too late, and take the answers."""
        deadlines = [deadline for reader in self._readers if (deadline := reader.deadline) is not None]
        timeout = max(0.0, min(deadlines) - time.monotonic()) if deadlines else None
        blocked = [reader for reader in self._readers if reader.blocked]
        for reader in blocked:
            self._selector.register(reader.inlet, selectors.EVENT_WRITE, reader)
        events = self._selector.select(timeout)
        for reader in blocked:
            self._selector.unregister(reader.inlet)
            reader.write()
        talking = {key.data for key, mask in events if mask & selectors.EVENT_READ}
        # The caller's time is not the reader's, where its pipe may have been full meanwhile. The seconds that it has while we
        # listen stay as many, so one that talks for ever still ends.
        for key, _ in events:
            if key.fd == key.data.outlet:
                key.data.excuse(self._away)
        answers: list[Answer] = []
        for reader in list(self._readers):
            if reader in talking:
                answers += self._listen(reader, waiting)
            deadline = reader.deadline if reader in self._readers else None
            if deadline is not None and deadline <= time.monotonic() and reader.is_overdue():
                answers += self._bury(reader, waiting, overdue=True)
        return answers

    def _listen(self, reader: Reader, waiting: deque[Job]) -> list[Answer]:
        answers: list[Answer] = []
        try:
            for answer in reader.listen():
                answers.append(answer)
                self._fruitless = 0
        except EOFError:
            answers += self._bury(reader, waiting)
        except ValueError:
            answers += self._bury(reader, waiting, nonsense=True)
        return answers


def _located(job: Job) -> Job:
    """The job with an absolute path and a size; 0 where there is no such file, as the worker finds and says."""
    if job.size is not None and job.path.is_absolute():
        return job
    path = job.path.absolute()
    try:
        return replace(job, path=path, size=path.stat().st_size)
    except OSError:
        return replace(job, path=path, size=0)


def _batch(waiting: deque[Job], most: int) -> list[Job]:
    """Take the next jobs from `waiting`: one at least, and as many as `most` where they are small."""
    batch: list[Job] = []
    size = names = 0
    while waiting and len(batch) < most:
        size += waiting[0].size or 0
        names += len(os.fspath(waiting[0].path))
        if batch and (size > _BATCH_BYTES or names > _BATCH_NAMES):
            break
        batch.append(waiting.popleft())
    return batch
