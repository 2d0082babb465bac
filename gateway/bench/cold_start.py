"""The workload about starting: how soon two stopped sites have carried a file, and how fast they are before they are warm."""

from __future__ import annotations

import os
import statistics
from functools import partial
from typing import Final

from gateway.bench.contest import once
from gateway.bench.contract import Run
from gateway.bench.files import claims, sums
from gateway.bench.ground import Ground
from gateway.bench.outcome import Figure, WorkloadResult
from gateway.bench.pair import Gateway, Pair
from gateway.bench.processes import Meter

_BURSTS: Final = ("first burst after a start", "second burst")


def start(ground: Ground) -> WorkloadResult:
    """From the start of two sites to the first receipt; then many claims at once, before the sites are warm and after."""
    count, starts, rounds = (200, 1, 1) if ground.quick else (2000, 5, 3)
    pair = Pair(ground.root / "start")
    alone: list[Run] = []
    for number in range(1, starts + 1):
        with ground.files(partial(claims, 1, ground.next_seed(), ground.today)) as files:
            os.sync()
            gateway = Gateway(pair)
            gateway.prepare(files)
            with Meter() as meter, pair.running():
                gateway.carry()
            alone.append(Run("start, one claim, end", number, *sums(files), meter.cost))
            gateway.clear()
    runs: list[Run] = []
    for number in range(1, rounds + 1):
        with pair.running():
            for name in _BURSTS:
                with ground.files(partial(claims, count, ground.next_seed(), ground.today)) as files:
                    run = once(Gateway(pair, name), files, number)
                ground.say(f"  {name}: {run.files_per_second:,.1f} files/s, {run.cost.cpu:.1f} s of CPU")
                runs.append(run)
    cold, warm = (statistics.median(run.files_per_second for run in runs if run.contestant == name) for name in _BURSTS)
    figures = (
        Figure(
            "start of both sites to the first verified receipt, and their end",
            statistics.median(run.cost.seconds for run in alone),
            "s",
        ),
        Figure("processor time of that, all processes", statistics.median(run.cost.cpu for run in alone), "s"),
        Figure("rate of the first burst over that of the second", cold / warm, ""),
    )
    what = f"two stopped sites: one claim, then {count:,} at once, twice"
    return WorkloadResult("start", what, tuple(runs), figures, (), tuple(alone))
