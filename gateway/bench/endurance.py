"""The workloads about size and time: a backlog on an old ledger, and hours of work."""

from __future__ import annotations

import time
from functools import partial
from typing import Final

from gateway.bench.contest import once
from gateway.bench.contract import Run
from gateway.bench.files import AUTHORITY, DWP, claims
from gateway.bench.ground import Ground
from gateway.bench.outcome import Figure, WorkloadResult
from gateway.bench.pair import Gateway, Pair
from gateway.bench.past import Past, write_past
from gateway.bench.processes import family, open_files, resident

_HOUR: Final = 3600.0
_MIB: Final = 1 << 20


def backlog(ground: Ground) -> WorkloadResult:
    """A backlog, and a ledger that is years old."""
    few, many, past, rounds = (100, 1000, 5_000, 1) if ground.quick else (1000, 50_000, 1_000_000, 2)
    runs: list[Run] = []
    young, old = Pair(ground.root / "young"), Pair(ground.root / "old")
    ground.say(f"  writing a past of {past:,} transfers")
    story = Past(DWP, AUTHORITY, past, time.time() - _HOUR, ground.next_seed())
    write_past(story, old.site(DWP).home, old.site(AUTHORITY).home)
    for number, count in enumerate([few] * rounds + [many], 1):
        for pair, name in ((young, "new ledger"), (old, f"{past:,} transfers")):
            if count == many and pair is young:
                continue
            with (
                ground.gateway(pair),
                ground.files(partial(claims, count, ground.next_seed(), ground.today)) as files,
            ):
                run = once(Gateway(pair, f"{name}, {count:,} files"), files, number)
            ground.say(f"  {run.contestant}: {run.files_per_second:,.1f} files/s, {run.cost.cpu:.1f} s of CPU")
            runs.append(run)
    rates = {run.contestant: run.files_per_second for run in runs}
    cpu = {run.contestant: run.cost.cpu / run.files * 1000 for run in runs}
    first, full = runs[0].contestant, runs[-1].contestant
    figures = (
        Figure("rate of the backlog over that of the few on a new ledger", rates[full] / rates[first], ""),
        Figure("processor time a file: few on a new ledger", cpu[first], "ms"),
        Figure("processor time a file: the backlog on the old ledger", cpu[full], "ms"),
        Figure("largest process with the backlog", max(runs[-1].cost.peaks.values()) / _MIB, "MiB"),
        Figure("largest process with the few on a new ledger", max(runs[0].cost.peaks.values()) / _MIB, "MiB"),
    )
    return WorkloadResult(
        "backlog", f"{many:,} claims at once, {past:,} transfers in the ledgers", tuple(runs), figures
    )


def soak(ground: Ground) -> WorkloadResult:
    """Hours of work: memory and open files stay as they were."""
    rounds, each = (4, 250) if ground.quick else (36, 1000)
    memory: list[dict[str, int]] = []
    files_open: list[dict[str, int]] = []
    runs: list[Run] = []
    with ground.gateway() as gateway:
        for number in range(rounds):
            with ground.files(partial(claims, each, ground.next_seed(), ground.today)) as files:
                run = once(gateway, files, number)
            runs.append(run)
            # Not the processes that come and go with a single task.
            lasting = {pid: label for pid, label in family().items() if label.startswith("gateway")}
            memory.append({f"{label} ({pid})": resident(pid) for pid, label in lasting.items()})
            files_open.append({f"{label} ({pid})": open_files(pid) for pid, label in lasting.items()})
            whole = sum(memory[-1].values()) / _MIB
            ground.say(
                f"  round {number + 1} of {rounds}: {run.files_per_second:,.1f} files/s, {whole:,.0f} MiB in all"
            )
    warm = rounds // 4  # the first rounds fill caches
    grown = {name: memory[-1][name] - size for name, size in memory[warm].items() if name in memory[-1]}
    opened = {name: files_open[-1][name] - count for name, count in files_open[warm].items() if name in files_open[-1]}
    figures = (
        Figure("memory of all processes after a quarter of the rounds", sum(memory[warm].values()) / _MIB, "MiB"),
        Figure("memory of all processes at the end", sum(memory[-1].values()) / _MIB, "MiB"),
        Figure("the process that grew most, from a quarter to the end", max(grown.values()) / _MIB, "MiB"),
        Figure("open files of all processes, from a quarter to the end", sum(opened.values()), "more"),
        Figure("processes that are not the same ones any more", len(memory[warm]) - len(grown), ""),
    )
    series = tuple(sum(sizes.values()) / _MIB for sizes in memory)
    what = f"{rounds * each:,} claims in {rounds} rounds"
    return WorkloadResult("soak", what, (), figures, series, tuple(runs))
