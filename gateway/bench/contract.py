"""What runs in the bench: files, whoever carries them, and what one run of one of them cost.

A contestant is made ready outside the time that counts, carries under the clock, and then shows what arrived. BenchVoid is
raised where anything did not arrive as it was: a run that lost a byte has no figures; BenchUnavailable where the machine
lacks something, so that what would be measured is that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gateway.errors import GatewayError


class BenchVoid(GatewayError):
    """A contestant did not bring every file, as it was: its run says nothing."""

    code = "bench-void"
    exit_status = 70
    remedy = "Run it again with --dir, and look at what lies there."


class BenchUnavailable(GatewayError):
    """The machine lacks what the bench measures with."""

    code = "bench-unavailable"
    exit_status = 69
    remedy = "Read the message, and provide what is missing; then run it again."


@dataclass(frozen=True)
class BenchFile:
    """One file to be carried: its flow, where it lies, its size in bytes, its SHA-256."""

    flow: str
    path: Path
    size: int
    sha256: str

    @property
    def name(self) -> str:
        return self.path.name


@dataclass(frozen=True)
class ProcessorTime:
    """Seconds of processor time, in the program itself and in the kernel for it."""

    user: float
    system: float

    @property
    def seconds(self) -> float:
        return self.user + self.system


@dataclass(frozen=True)
class Cost:
    """What one run took: seconds by the clock, processor seconds, and each process's peak of memory in bytes.

    `roles` has the processor time of each kind of process; their sum is `cpu`.
    """

    seconds: float
    cpu: float
    peaks: Mapping[str, int]
    roles: Mapping[str, ProcessorTime] = field(default_factory=dict)

    @property
    def user(self) -> float:
        return sum(each.user for each in self.roles.values())

    @property
    def system(self) -> float:
        return sum(each.system for each in self.roles.values())


@dataclass(frozen=True)
class Run:
    """One contestant's part of one round."""

    contestant: str
    round: int
    files: int
    size: int
    cost: Cost

    @property
    def files_per_second(self) -> float:
        return self.files / self.cost.seconds

    @property
    def megabytes_per_second(self) -> float:
        return self.size / self.cost.seconds / 1e6


class Contestant(Protocol):
    """A way to get files from one side to the other."""

    @property
    def name(self) -> str: ...

    @property
    def most_files(self) -> int | None:
        """How many of a workload's files it is given: where each takes a third of a second, fewer say as much."""
        ...

    def prepare(self, files: Sequence[BenchFile]) -> None:
        """Everything before the clock starts."""
        ...

    def carry(self) -> None:
        """From the first file's start until the last one is there, and whatever is promised with it has come."""
        ...

    def delivered(self) -> Mapping[str, str]:
        """The name of each file that arrived, and its SHA-256."""
        ...

    def clear(self) -> None:
        """Leave nothing that the next run would find."""
        ...


def compare(contestant: str, files: Sequence[BenchFile], delivered: Mapping[str, str]) -> None:
    """BenchVoid unless exactly these files arrived, byte for byte."""
    wanted = {file.name: file.sha256 for file in files}
    wrong = sum(1 for name, sha256 in delivered.items() if wanted.get(name) not in (None, sha256))
    if wanted != delivered:
        raise BenchVoid(
            f"{contestant}: {len(wanted)} files went, {len(delivered)} arrived, {wrong} of them with other content, "
            f"{len(delivered.keys() - wanted.keys())} under other names"
        )
