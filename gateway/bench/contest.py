"""Contestants in turn, A B C A B C, each round on files of its own; and what the rounds say together.

Raises BenchVoid where a file did not arrive as it was.
"""

from __future__ import annotations

import gc
import os
import statistics
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

from gateway.bench.contract import BenchFile, Contestant, Run, compare
from gateway.bench.files import sums
from gateway.bench.processes import Meter

Say = Callable[[str], None]


Files = AbstractContextManager[Sequence[BenchFile]]


def contest(contestants: Sequence[Contestant], make: Callable[[], Files], rounds: int, say: Say) -> Iterator[Run]:
    """Every contestant in every round. `make()` gives a round's files, other ones each time."""
    for number in range(1, rounds + 1):
        with make() as files:
            for contestant in contestants:
                run = once(contestant, files[: contestant.most_files], number)
                rates = f"{run.files_per_second:,.1f} files/s, {run.megabytes_per_second:,.1f} MB/s"
                took = f"{run.files} files in {run.cost.seconds:.2f} s, {run.cost.cpu:.1f} s of CPU"
                say(f"  round {number}, {run.contestant}: {took}: {rates}")
                yield run


def once(contestant: Contestant, files: Sequence[BenchFile], number: int = 1) -> Run:
    """One contestant, timed; what arrived is compared afterwards, and cleared away."""
    contestant.prepare(files)
    os.sync()  # nobody pays for what was written before
    gc.collect()
    with Meter() as meter:
        contestant.carry()
    compare(contestant.name, files, contestant.delivered())
    contestant.clear()
    return Run(contestant.name, number, *sums(files), meter.cost)


@dataclass(frozen=True)
class Ratio:
    """How many times as much the gateway did as another, by the rounds: the median, the least and the most."""

    against: str
    median: float
    least: float
    most: float


def ratios(runs: Sequence[Run], mine: str = "gateway") -> list[Ratio]:
    """The gateway's rate over each other contestant's of the same round: files a second, which are bytes for one file."""
    return _ratios(runs, mine, lambda run: run.files_per_second)


def processor_ratios(runs: Sequence[Run], mine: str = "gateway") -> list[Ratio]:
    """The same by processor time: files for each second of it. A busy machine hardly changes it."""
    return _ratios(runs, mine, lambda run: run.files / run.cost.cpu if run.cost.cpu else 0.0)


def _ratios(runs: Sequence[Run], mine: str, rate: Callable[[Run], float]) -> list[Ratio]:
    by_round = {(run.contestant, run.round): rate(run) for run in runs}
    found = []
    for other in dict.fromkeys(run.contestant for run in runs if run.contestant != mine):
        shares = [
            by_round[mine, number] / each
            for (name, number), each in by_round.items()
            if name == other and each and (mine, number) in by_round
        ]
        if shares:
            found.append(Ratio(other, statistics.median(shares), min(shares), max(shares)))
    return found
