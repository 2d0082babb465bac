"""One run of gpg: what it may use, what it reads, when it is killed, and how it went.

Raises nothing of its own; what the source of a `Feed` raises is kept in it. Safe because a child is killed by its process
object, which knows whether it was reaped already, and never by a number alone.
"""

from __future__ import annotations

import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from gateway.storage.byte_reader import ByteReader


class Ended(StrEnum):
    """Why a run was killed from here."""

    DEADLINE = "it took too long"
    CHATTER = "it reported more than a message can need"
    FEED_FAILED = "what it reads could not be read"
    WRITE_FAILED = "what it wrote could not be kept"


@dataclass(frozen=True)
class ProcessLimits:
    """What one run may use: seconds of CPU, bytes of address space, seconds by the clock without progress."""

    cpu_seconds: int = 30
    memory_bytes: int = 512 * 1024 * 1024
    seconds: float = 60.0
    writes_files: bool = False


@dataclass(frozen=True)
class Run:
    """How one run of gpg went: status lines without their prefix, the exit status or minus the signal."""

    lines: tuple[str, ...]
    returncode: int
    ended: Ended | None = None

    @property
    def counts(self) -> Counter[str]:
        """How many lines there are of each keyword."""
        return Counter(line.partition(" ")[0] for line in self.lines)


class LimitedProcess:
    """One child process, its deadline, and the reason if it was killed."""

    def __init__(self, process: subprocess.Popen[bytes], limits: ProcessLimits) -> None:
        self._process = process
        self._seconds = limits.seconds
        self._deadline = time.monotonic() + limits.seconds
        self._over = threading.Event()
        self.ended: Ended | None = None
        self._watch = threading.Thread(target=self._keep_watch, name="gpg-deadline", daemon=True)
        self._watch.start()

    def progress(self) -> None:
        """Something moved: the time without progress counts from now."""
        self._deadline = time.monotonic() + self._seconds

    def wait_for_us(self) -> None:
        """The child waits for this side, which may take as long as it takes."""
        self._deadline = float("inf")

    def kill(self, reason: Ended) -> None:
        """End the child; the first reason stands, also over a child that has ended by itself meanwhile."""
        if self.ended is None:
            self.ended = reason
        self._process.kill()

    def finish(self) -> None:
        """Reap the child, killing it where it still runs, and end the watch."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._over.set()
        self._watch.join()

    def _keep_watch(self) -> None:
        while not self._over.wait(min(max(self._deadline - time.monotonic(), 0.0), 1.0)):
            if time.monotonic() >= self._deadline and self._process.poll() is None:
                self.kill(Ended.DEADLINE)
                return


class Feed:
    """What gpg reads on stdin: a reader that keeps its failure, and that can be told to end.

    python-gnupg reads it in a thread of its own. `stop` returns only when no read is under way any more, so that the
    caller has its reader to itself again.
    """

    def __init__(self, source: ByteReader, on_bytes: Callable[[bytes], object]) -> None:
        self._source = source
        self._on_bytes = on_bytes
        self._lock = threading.Lock()
        self._stopped = False
        self.process: LimitedProcess | None = None
        self.failure: BaseException | None = None
        self.size = 0

    def read(self, size: int = -1, /) -> bytes:
        with self._lock:
            if self._stopped:
                return b""
            process = self.process
            if process is not None:
                process.wait_for_us()
            try:
                octets = self._source.read(size)
            except BaseException as error:
                self.failure = error
                self._stopped = True
                if process is not None:
                    process.kill(Ended.FEED_FAILED)
                raise
            self._on_bytes(octets)
            self.size += len(octets)
            if process is not None:
                process.progress()
            return octets

    def hang_up(self) -> None:
        """What reads has gone away."""
        self._stopped = True

    def stop(self) -> None:
        self._stopped = True
        with self._lock:
            return
