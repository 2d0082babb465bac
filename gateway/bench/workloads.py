"""The workloads: what is carried, by whom, how often; each one ends in a WorkloadResult."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import Final

from gateway.bench.cold_start import start
from gateway.bench.console import console
from gateway.bench.contest import contest
from gateway.bench.contract import BenchFile, BenchVoid, Contestant, Run, compare
from gateway.bench.endurance import backlog, soak
from gateway.bench.files import DAY, claims, make, make_extract, sums
from gateway.bench.ground import Ground
from gateway.bench.loading import loader
from gateway.bench.outcome import Figure, WorkloadResult, quantile
from gateway.bench.partners import partners
from gateway.bench.processes import Meter

MIB: Final = 1 << 20
_RECEIPT_TIMEOUT: Final = 60.0

Workload = Callable[[Ground], WorkloadResult]


def _mixed(ground: Ground, shares: Mapping[str, int], count: int, rounds: int) -> tuple[Run, ...]:
    """All contestants on files of these flows."""

    @contextmanager
    def files() -> Iterator[Sequence[BenchFile]]:
        with ground.files(partial(make, shares, count, ground.next_seed(), ground.today)) as made:
            yield made

    with ground.gateway() as gateway:
        others: list[Contestant] = [ground.batch(), ground.single(), *ground.rclone()]
        return tuple(contest([*others, gateway], files, rounds, ground.say))


def claims_(ground: Ground) -> WorkloadResult:
    """Many small files."""
    count, rounds = (200, 1) if ground.quick else (2000, 3)
    return WorkloadResult("claims", f"{count:,} claims of 4 to 8 KB", _mixed(ground, {"claim": 1}, count, rounds))


def laids(ground: Ground) -> WorkloadResult:
    """PDF documents."""
    count, rounds = (60, 1) if ground.quick else (500, 3)
    return WorkloadResult("laids", f"{count:,} LAIDs of 20 to 200 KB", _mixed(ground, {"laid": 1}, count, rounds))


def day(ground: Ground) -> WorkloadResult:
    """What goes to an authority on a working day."""
    count, rounds = (60, 1) if ground.quick else (1000, 3)
    return WorkloadResult("day", f"{count:,} files, mixed as on a working day", _mixed(ground, DAY, count, rounds))


def extract(ground: Ground) -> WorkloadResult:
    """One large file."""
    size, rounds = (48 * MIB, 1) if ground.quick else (512 * MIB, 3)

    @contextmanager
    def files() -> Iterator[Sequence[BenchFile]]:
        with ground.files(partial(make_extract, size, ground.next_seed(), ground.today)) as made:
            yield made

    with ground.gateway() as gateway:
        others: list[Contestant] = [
            ground.batch("script, gpg's defaults"),
            ground.batch("script, no compression", gpg_options="--compress-algo none"),
            *ground.rclone(),
        ]
        runs = tuple(contest([*others, gateway], files, rounds, ground.say))
    return WorkloadResult("extract", f"one extract of {size // MIB} MiB", runs)


def counts(ground: Ground) -> WorkloadResult:
    """How the rate depends on how many files there are."""
    numbers = (1, 30, 300) if ground.quick else (1, 3, 10, 30, 100, 300, 1000, 2000)
    runs: list[Run] = []
    with ground.gateway() as gateway:
        contestants: list[Contestant] = [ground.batch(), *ground.rclone(), gateway]
        for count in numbers:
            ground.say(f"  {count} claims")
            made = partial(claims, count, ground.next_seed(), ground.today)
            runs += contest(contestants, partial(ground.files, made), 1, ground.say)
    return WorkloadResult("counts", "claims, by how many are dropped at once", tuple(runs))


def idle(ground: Ground) -> WorkloadResult:
    """One small file at a time, on a system with nothing else to do."""
    count = 12 if ground.quick else 200
    pauses = random.Random(ground.next_seed())
    seconds: list[float] = []
    with (
        ground.gateway() as gateway,
        ground.files(partial(claims, count, ground.next_seed(), ground.today)) as files,
    ):
        gateway.prepare(files)
        with Meter() as meter:
            for file, (staged, target) in zip(files, gateway.targets, strict=True):
                time.sleep(pauses.uniform(0.2, 0.5))
                seconds.append(_one(gateway.receipt(file), staged, target))
        compare("gateway", files, gateway.delivered())
        gateway.clear()
    figures = (
        Figure("drop to verified receipt, median", quantile(seconds, 0.5), "s"),
        Figure("drop to verified receipt, 99th percentile", quantile(seconds, 0.99), "s"),
        Figure("drop to verified receipt, the longest", max(seconds), "s"),
    )
    alone = (Run(gateway.name, 1, *sums(files), meter.cost),)
    what = f"{count} claims one by one, nothing else going on"
    return WorkloadResult("idle", what, (), figures, tuple(seconds), alone)


def _one(receipt: Path, staged: Path, target: Path) -> float:
    """Seconds from one file's drop until its receipt is there."""
    started = time.monotonic()
    staged.rename(target)
    while not receipt.exists():
        if time.monotonic() > started + _RECEIPT_TIMEOUT:
            raise BenchVoid("the receipt of a single file did not come within a minute")
        time.sleep(0.001)
    return time.monotonic() - started


WORKLOADS: Final[Mapping[str, Workload]] = MappingProxyType(
    {
        "claims": claims_,
        "laids": laids,
        "day": day,
        "extract": extract,
        "counts": counts,
        "idle": idle,
        "start": start,
        "loader": loader,
        "backlog": backlog,
        "console": console,
        "partners": partners,
        "soak": soak,
    }
)
