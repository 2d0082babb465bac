"""Readers in the background: the sandboxes in which the threads of a stage read files, one for each file.

They end at once when the stage is closed, so that a role which is told to stop need not wait for a hostile file. Raises what the sandbox
raises; ReadersFailed out of a sandbox that was given up.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from threading import Lock

from gateway.validation.plan import Plan
from gateway.validation.sandbox.pool import DEFAULT_LIMITS, Sandbox, WorkerLimits


class BackgroundReaders:
    """May be used by several threads: each sandbox belongs to the one that asked for it, and its worker ends with that thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._open: set[Sandbox] = set()
        self._closed = False

    @contextmanager
    def sandbox(self, plans: Mapping[str, Plan], limits: WorkerLimits = DEFAULT_LIMITS) -> Iterator[Sandbox]:
        """A sandbox with one worker, for the time of the block."""
        with Sandbox(plans, 1, limits) as made:
            with self._lock:
                self._open.add(made)
                if self._closed:
                    made.abandon()
            try:
                yield made
            finally:
                with self._lock:
                    self._open.discard(made)

    def close(self) -> None:
        """End what reads now, and whatever begins to read after this."""
        with self._lock:
            self._closed = True
            for each in self._open:
                each.abandon()
