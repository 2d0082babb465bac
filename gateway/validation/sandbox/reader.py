"""One worker as its sandbox sees it: start it, give it jobs, time it, end it, and say why it ended, and of which job.

OSError is raised where the process cannot be started. A worker that has read a file is not trusted: its messages are checked,
and ValueError is raised for one that makes no sense.

Long because what a worker is given, what it may say, and what it is blamed for are one state: apart, each would have to trust the other.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from gateway.validation.contract import Report
from gateway.validation.plan import Plan
from gateway.validation.sandbox.confinement import WorkerLimits
from gateway.validation.sandbox.messages import Frames, encode, report_from_plain
from gateway.validation.sandbox.progress import ProgressPage

_CHUNK: Final = 1 << 16
_STDERR_KEPT: Final = 4096
_STDERR_CHUNKS: Final = 16
"""Read at one time: whoever writes there without end keeps nobody."""
_GRACE: Final = 2.0
_LAST_WORDS: Final = re.compile(rb"reader: ([A-Za-z]{1,60}) at ([A-Za-z0-9_.]{1,60}:[0-9]{1,7})\n")
_PACKAGES: Final = Path(__file__).resolve().parents[3]


@dataclass(frozen=True)
class Job:
    """One file to read: the caller's own `key` for it, its flow, where it lies, and its size in bytes where that is known."""

    key: str
    flow: str
    path: Path
    size: int | None = None


@dataclass(frozen=True)
class Crash:
    """A file that ended its reader, or could not be read: `reason` is a sentence without content.

    `signal` is what the reader died of, `status` its exit status where it ended by itself; both None where it lives on.
    """

    reason: str
    signal: int | None = None
    status: int | None = None


@dataclass(frozen=True)
class _Errand:
    """A job on its way: its number, and the seconds it may take (processor, clock)."""

    number: int
    job: Job
    cpu: int
    wall: float
    size: int


class Reader:
    """A worker process. `ready` is true once it has built its validators."""

    def __init__(self, plans: Mapping[str, Plan], limits: WorkerLimits) -> None:
        self._limits = limits
        self._errands: deque[_Errand] = deque()
        self._ends: deque[int] = deque()
        """The last number of each batch that is not answered whole."""
        self._outgoing: deque[tuple[memoryview, int]] = deque()
        """What the pipe had no room for, with the last number in each message."""
        self._handed = 0
        """The last number whose message is in the pipe: what lies beyond it can be neither in hand nor answered."""
        self._in_hand = 0
        self._begun = 0.0
        self._frames = Frames()
        self._stderr = b""
        self._deadline = time.monotonic() + limits.start_seconds
        self._overdue = False
        self._talks_nonsense = False
        self.ready = False
        self.fault: str | None = None
        """Why the validators cannot be built, where they cannot."""
        self._page = ProgressPage()
        try:
            self._process = self._start()
        except OSError:
            self._page.close()
            raise
        self.pid = self._process.pid
        self.outlet, self.stderr_outlet = _descriptor(self._process.stdout), _descriptor(self._process.stderr)
        self.inlet = _descriptor(self._process.stdin)
        os.set_blocking(self.outlet, False)
        os.set_blocking(self.stderr_outlet, False)
        self._write(
            {
                "plans": {flow: {"kind": plan.kind, "arguments": plan.arguments} for flow, plan in plans.items()},
                "limits": asdict(limits),
                "parent": os.getpid(),
                "progress": self._page.descriptor,
            },
            0,
        )
        # From now on it reads what others wrote, and may read no more messages.
        os.set_blocking(self.inlet, False)

    def _start(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-P", "-s", "-m", "gateway.validation.sandbox.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            cwd="/",
            # With a HOME, no start-up code asks the system who we are: that would be a connection to nscd.
            env={"PYTHONPATH": str(_PACKAGES), "LC_ALL": "C.UTF-8", "HOME": "/"},
            close_fds=True,
            pass_fds=(self._page.descriptor,),
            start_new_session=True,
        )

    @property
    def load(self) -> int:
        """Jobs given and not answered."""
        return len(self._errands)

    @property
    def batches(self) -> int:
        """Batches given and not answered whole."""
        return len(self._ends)

    @property
    def load_bytes(self) -> int:
        """How much there is to read in them."""
        return sum(errand.size for errand in self._errands)

    @property
    def deadline(self) -> float | None:
        """When it is to be looked at, on the monotonic clock, if it has said nothing; None where nothing is asked of it."""
        return self._deadline if self._errands or not self.ready else None

    def give(self, first: int, jobs: Sequence[Job]) -> None:
        """Send jobs, their paths absolute, numbered from `first`, as one message; they are answered in order, after those before."""
        if not self._errands:
            self._deadline = time.monotonic() + self._limits.wall_seconds
        files = []
        for number, job in enumerate(jobs, first):
            size = job.size or 0
            extra = size / self._limits.bytes_per_second
            cpu = self._limits.cpu_seconds + round(extra)
            self._errands.append(_Errand(number, job, cpu, self._limits.wall_seconds + extra, size))
            files.append((number, job.flow, os.fspath(job.path), cpu))
        self._ends.append(first + len(jobs) - 1)
        self._write({"read": files}, self._errands[-1].number)

    def is_overdue(self) -> bool:
        """Whether the file in its hands has taken too long; if not, `deadline` is when to ask again. To be asked then."""
        number, begun = self._page.look()
        now = time.monotonic()
        if self._in_hand < number <= self._handed:
            self._in_hand, self._begun = number, min(begun, now)
        errand = next((errand for errand in self._errands if errand.number == self._in_hand), None)
        if errand is not None:
            self._deadline = max(self._deadline, self._begun + errand.wall)
        return self._deadline <= now

    def excuse(self, seconds: float) -> None:
        """Nobody listened for so long, and it had something to say: its pipe may have been full."""
        self._deadline += seconds

    @property
    def blocked(self) -> bool:
        """Whether a message is not in its pipe as a whole; `write` goes on with it."""
        return bool(self._outgoing)

    def _write(self, message: Mapping[str, Any], last: int) -> None:
        self._outgoing.append((memoryview(encode(message)), last))
        self.write()

    def write(self) -> None:
        """Write what there is room for."""
        try:
            while self._outgoing:
                view, last = self._outgoing[0]
                view = view[os.write(self.inlet, view) :]
                if view:
                    self._outgoing[0] = view, last
                else:
                    self._outgoing.popleft()
                    self._handed = last
        except BlockingIOError:
            pass
        except BrokenPipeError:
            self._outgoing.clear()  # it died; `listen` finds out

    def listen(self) -> Iterator[tuple[Job, Report | Crash]]:
        """The answers that have come; ValueError for talk that makes no sense, EOFError when it is dead."""
        self._drain_stderr()
        while True:
            try:
                chunk = os.read(self.outlet, _CHUNK)
            except BlockingIOError:
                return
            if not chunk:
                raise EOFError
            for message in self._frames.feed(chunk):
                yield from self._understand(message)

    def _understand(self, message: Mapping[str, Any]) -> Iterator[tuple[Job, Report | Crash]]:
        if not self.ready:
            self.fault = str(message.get("broken", "")) or None
            self.ready = message.get("ready") is True
            return
        match message:
            case {"answers": list(answers)} if answers:
                for plain in answers:
                    answer = self._answer(plain)
                    yield self._errands.popleft().job, answer
            case _:
                raise ValueError("a message that is none of answers")
        while self._ends and (not self._errands or self._errands[0].number > self._ends[0]):
            self._ends.popleft()
        self._deadline = time.monotonic() + self._limits.wall_seconds

    def _answer(self, plain: Any) -> Report | Crash:
        errand = self._errands[0] if self._errands and self._errands[0].number <= self._handed else None
        match plain:
            case {"done": number} if errand is not None and number == errand.number:
                return report_from_plain(plain)
            case {"lost": number, "reason": str(reason)} if errand is not None and number == errand.number:
                return Crash(reason)
            case _:
                raise ValueError("an answer to a question that was not asked")

    def kill(self) -> None:
        """Kill it, from any thread; whoever listens to it finds that out."""
        self._process.kill()

    def end(self, *, overdue: bool = False, nonsense: bool = False) -> None:
        """Kill it and reap it."""
        self._overdue, self._talks_nonsense = overdue, nonsense
        self._process.kill()
        self._process.wait()
        self._drain_stderr()
        if not overdue:  # else it may have gone on to the next one since then
            number = self._page.look()[0]
            # A number that it was not given is a lie as well: else no file would have ended it, and it would be read again for ever.
            self._talks_nonsense |= number > self._handed
            self._in_hand = min(number, self._handed)
        self._close_pipes()

    def dismiss(self) -> None:
        """Let it end by itself, as it does when nobody can ask it anything more."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(_GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._close_pipes()

    def legacy(self) -> tuple[tuple[Job, Crash] | None, list[Job]]:
        """After `end`: the job that it died of, if it had one in its hands, and the others that it did not answer."""
        errands = list(self._errands)
        if self._talks_nonsense:
            # Its answer was the next one, if it has come to that file at all.
            died_of = errands[0] if errands and errands[0].number <= self._in_hand else None
        else:
            died_of = next((errand for errand in errands if errand.number == self._in_hand), None)
        unread = [errand.job for errand in errands if errand is not died_of]
        return (died_of.job, self._cause(died_of)) if died_of is not None else None, unread

    def epitaph(self) -> str:
        """What it died of when it was reading nothing."""
        return self._cause(None).reason

    def _cause(self, errand: _Errand | None) -> Crash:
        code = self._process.returncode or 0
        died_of, status = (-code, None) if code < 0 else (None, code)
        words = _LAST_WORDS.search(self._stderr)
        if self._overdue:
            reason = f"reading it took longer than {errand.wall:.0f} s" if errand else "it did not start in time"
        elif self._talks_nonsense:
            reason = "its reader gave an answer that makes no sense"
        elif died_of == signal.SIGXCPU and errand is not None:
            reason = f"reading it took more than {errand.cpu} s of processor time"
        elif words is not None and words[1] == b"MemoryError":
            reason = f"reading it took more than {self._limits.memory >> 20} MiB of memory"
        elif words is not None:
            reason = f"its reader failed: {words[1].decode()} at {words[2].decode()}"
        elif died_of is not None:
            reason = f"its reader was ended by {signal.Signals(died_of).name}"
        else:
            reason = f"its reader ended with status {status}"
        return Crash(reason, died_of, status)

    def _drain_stderr(self) -> None:
        try:
            for _ in range(_STDERR_CHUNKS):
                self._stderr = (self._stderr + os.read(self.stderr_outlet, _CHUNK))[-_STDERR_KEPT:]
        except BlockingIOError:
            pass

    def _close_pipes(self) -> None:
        self._page.close()
        for pipe in (self._process.stdin, self._process.stdout, self._process.stderr):
            if pipe is not None and not pipe.closed:
                pipe.close()


def _descriptor(pipe: Any) -> int:
    return int(pipe.fileno())
