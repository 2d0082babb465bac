"""One large consignment beside the vault's other work: in a thread, with an OpenPGP engine of its own.

Raises nothing of its own; what the work raises comes out of `take`. Safe, because the thread touches files and its engine
only: the ledger is read before and written after, by the role's own thread. gpg is a process, and Zstandard and hashing
let other threads go on, so the small consignments hardly notice.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, Generic, TypeVar

from gateway.crypto.contract import OpenPgp

LARGE_PLAIN: Final = 16 * 1024 * 1024
"""Bytes of files from which on a consignment takes long to seal: a tenth of a second and more."""

LARGE_SEALED: Final = 4 * 1024 * 1024
"""Bytes of a sealed file from which on it may take as long to open: case data shrink."""

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
