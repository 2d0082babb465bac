"""A role's pulse: the file in state/run that shows that it still makes steps, and what its steps have cost so far.

The role writes it at most once a second, in place: a full disk does not stop it. The supervisor and the metrics role read it. A
pulse that stands still while its process is there means that the role is stuck. The numbers count from the role's start,
but for `starts`, which the file keeps from one process to the next. Raises DiskFailed where the file cannot be made.
"""

from __future__ import annotations

import os
import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Final, Self

import orjson

from gateway.errors import DiskFailed

STEP_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
"""Upper bounds of the classes that steps are counted in, in seconds."""

HELD_UP_SECONDS: Final = 300.0
"""A stage that was put off for so long wants a person: faults that pass by themselves, as a ledger that is held, have passed by then."""

_EVERY: Final = 1.0
_BYTES: Final = 8192
"""The file's size, blanks at the end: whoever reads finds one whole text, since it is written by one call."""


@dataclass
class Distribution:
    """How many values fell into each class, and their sum; the last class has no upper bound."""

    bounds: tuple[float, ...]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = self.counts or [0] * (len(self.bounds) + 1)

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def buckets(self) -> list[tuple[str, float]]:
        """Each upper bound with the number of values up to it, as Prometheus has them."""
        bounds = (*map(str, self.bounds), "+Inf")
        return list(zip(bounds, accumulate(map(float, self.counts)), strict=True))


@dataclass(frozen=True)
class PutOff:
    """For how many seconds each step of a stage was put off, and the code of the last fault."""

    seconds: float
    code: str


@dataclass(frozen=True)
class PulseRead:
    """What a role's pulse says: how often the role was started, its steps that moved something, its failures, by stage, the stages
    whose every step is put off, and what else stages count, by stage and word.
    """

    starts: int
    steps: Mapping[str, Distribution]
    failures: Mapping[str, int]
    deferred: Mapping[str, PutOff] = field(default_factory=dict)
    counts: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


class Pulse:
    """A role's own pulse. `alive` is called at each beat: it tells systemd. `monotonic` gives seconds that never go back. Threads may use it side by
    side.
    """

    def __init__(
        self,
        run: Path,
        role: str,
        alive: Callable[[], None] = lambda: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._alive = alive
        self._monotonic = monotonic
        self._steps: dict[str, Distribution] = {}
        self._failures: dict[str, int] = {}
        self._deferred: dict[str, tuple[float, str]] = {}
        self._counts: dict[str, dict[str, int]] = {}
        self._lock = threading.RLock()
        self._last = monotonic() - _EVERY
        before = read_pulse(run, role)
        self._starts = 1 if before is None else before.starts + 1
        try:
            self._descriptor = os.open(_path(run, role), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o660)
        except OSError as error:
            raise DiskFailed(f"cannot make the pulse of {role}: {error.strerror}") from error
        self.beat()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._descriptor)

    def beat(self) -> None:
        """Show that the role goes on."""
        if (now := self._monotonic()) - self._last < _EVERY:
            return
        self._last = now
        with self._lock:
            content = orjson.dumps(
                {
                    "starts": self._starts,
                    "steps": {stage: [each.total, *each.counts] for stage, each in self._steps.items()},
                    "failures": self._failures,
                    "deferred": {stage: [now - since, code] for stage, (since, code) in self._deferred.items()},
                    "counts": self._counts,
                }
            )
        with suppress(OSError):
            os.pwrite(self._descriptor, content.ljust(_BYTES), 0)
        with suppress(OSError):
            os.utime(self._descriptor)
        self._alive()

    def made_step(self, stage: str, done: int, seconds: float) -> None:
        """A stage made a step; one that moved nothing costs next to nothing, and is not counted."""
        with self._lock:
            self._deferred.pop(stage, None)
            if done:
                self._steps.setdefault(stage, Distribution(STEP_BOUNDS)).observe(seconds)
        self.beat()

    def failed_step(self, stage: str, code: str) -> None:
        """A fault of the machine, of that code, ended a stage's step."""
        self.put_off(stage, code)
        self.beat()

    def put_off(self, stage: str, code: str) -> None:
        """As `failed_step`, for what is no step of the role's own loop: it shows with the next beat, and is none itself."""
        with self._lock:
            self._failures[stage] = self._failures.get(stage, 0) + 1
            since, _ = self._deferred.get(stage, (self._monotonic(), code))
            self._deferred[stage] = since, code

    def goes_on(self, stage: str) -> None:
        """What was put off is over."""
        with self._lock:
            self._deferred.pop(stage, None)

    def count(self, stage: str, what: str, number: int) -> None:
        """A stage counts something."""
        with self._lock:
            counts = self._counts.setdefault(stage, {})
            counts[what] = counts.get(what, 0) + number


class StillPulse:
    """How long a role's pulse has stood still, by the looks of one process. It takes no part in the clock's jumps: a look adds
    a second at most, since whoever looks may have been stopped as well.
    """

    def __init__(self, run: Path, role: str) -> None:
        self._run, self._role = run, role
        self._seen: int | None = None
        self._looked = 0.0
        self.seconds = 0.0

    def look(self, now: float, longest: float = _EVERY) -> float:
        """Seconds that the pulse has stood still; `now` is in seconds that never go back."""
        step, self._looked = min(now - self._looked, longest), now
        beat = last_beat(self._run, self._role)
        if beat != self._seen:
            self._seen, self.seconds = beat, 0.0
        else:
            self.seconds += step
        return self.seconds

    def forget(self) -> None:
        """A new process has its time from now on."""
        self._seen, self.seconds = None, 0.0


def last_beat(run: Path, role: str) -> int | None:
    """When the role's pulse beat last, in nanoseconds since 1970; None where there is none."""
    try:
        return _path(run, role).stat().st_mtime_ns
    except OSError:
        return None


def read_pulse(run: Path, role: str) -> PulseRead | None:
    """What a role's pulse says; None where there is none, or nothing that can be read."""
    try:
        content = orjson.loads(_path(run, role).read_bytes())
        steps = {
            stage: Distribution(STEP_BOUNDS, counts, total) for stage, (total, *counts) in content["steps"].items()
        }
        if any(len(each.counts) != len(STEP_BOUNDS) + 1 for each in steps.values()):
            return PulseRead(int(content["starts"]), {}, {})
        deferred = {
            stage: PutOff(float(seconds), str(code))
            for stage, (seconds, code) in content.get("deferred", {}).items()  # an earlier version said nothing of it
        }
        counts = {
            stage: {what: int(number) for what, number in each.items()}
            for stage, each in content.get("counts", {}).items()  # nor of this
        }
        return PulseRead(int(content["starts"]), steps, dict(content["failures"]), deferred, counts)
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return None


def held_up(run: Path, role: str) -> Mapping[str, PutOff]:
    """The stages of a role in which nothing has gone on for HELD_UP_SECONDS, since a fault of the machine put off each of their steps."""
    pulse = read_pulse(run, role)
    if pulse is None:
        return {}
    return {stage: each for stage, each in pulse.deferred.items() if each.seconds >= HELD_UP_SECONDS}


def _path(run: Path, role: str) -> Path:
    return run / f"{role}.pulse"
