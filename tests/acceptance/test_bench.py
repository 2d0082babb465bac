"""The bench itself, small: the gateway's lead over the shell script must not fall below a floor, whatever else runs here.

Both carry the same files on the same machine within the same minute. The lead is one of processor time, which a busy machine
hardly changes; time by the clock is not guarded. The floor is below what an idle machine shows
(docs/performance.md): it catches what makes the gateway half as dear again.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import ExitStack
from datetime import date
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from gateway.bench.contest import contest, once, processor_ratios
from gateway.bench.contract import BenchUnavailable, Contestant, Run
from gateway.bench.files import claims, make_extract
from gateway.bench.ground import Ground
from gateway.bench.loading import loader

CLAIMS: Final = 200
CPU_FLOOR: Final = 2.0
"""Times less processor time a file than the batch script takes: 3.0 with so few files (3.6 with 2,000)."""
CPU_FACTOR: Final = 8.0
"""Times as much processor time as the plain script takes, start-up left out, that the loader stays below: it is 2 to 3."""
MEMORY_LIMIT: Final = 300 << 20


def test_the_whole_job_stays_well_ahead_of_the_script_and_within_its_memory(tmp_path: Path) -> None:
    with ExitStack() as stack:
        ground = Ground(tmp_path, date(2026, 11, 25), 7_000, True, lambda _text: None, stack)
        try:
            gateway = stack.enter_context(ground.gateway())
        except BenchUnavailable as error:
            pytest.skip(error.reason)
        everybody: list[Contestant] = [ground.batch(), gateway]
        make = partial(ground.files, partial(claims, CLAIMS, ground.next_seed(), ground.today))
        runs = list(contest(everybody, make, 1, lambda _text: None))
        extract = partial(make_extract, 8 << 20, ground.next_seed(), ground.today)
        with ground.files(extract) as files:
            large = once(gateway, files)
    script, whole = runs
    (ratio,) = processor_ratios(runs)
    said = f"{script.files_per_second:.0f} and {whole.files_per_second:.0f} files/s; CPU {_cpu(script):.1f} and {_cpu(whole):.1f} ms"
    assert ratio.median >= CPU_FLOOR, said
    # The kernel's half of the account has to be there, and every role that works.
    assert {f"gateway {role}" for role in ("inspect", "vault", "link", "reader")} <= {
        label.rpartition(" ")[0] for label in whole.cost.roles
    }
    assert whole.cost.user + whole.cost.system == pytest.approx(whole.cost.cpu)
    assert max((*whole.cost.peaks.values(), *large.cost.peaks.values())) < MEMORY_LIMIT, large.cost.peaks


def test_the_loader_makes_the_rows_that_a_plain_script_makes_of_the_same_claims(tmp_path: Path) -> None:
    with ExitStack() as stack:
        outcome = loader(Ground(tmp_path, date(2026, 11, 25), 8_000, True, lambda _text: None, stack))
    assert [(run.contestant, run.files) for run in outcome.runs] == [("plain script", 200), ("gateway", 200)]
    script, whole = outcome.runs
    assert whole.cost.roles["gateway load"].seconds > 0
    assert whole.cost.cpu - outcome.figures[0].value < CPU_FACTOR * script.cost.cpu


def _cpu(run: Run) -> float:
    """Milliseconds of processor time a file."""
    return run.cost.cpu / run.files * 1000


def test_bench_lists_its_workloads_and_knows_no_others() -> None:
    listed = _bench("--list")
    assert {
        "claims",
        "laids",
        "day",
        "extract",
        "counts",
        "idle",
        "start",
        "loader",
        "backlog",
        "partners",
        "soak",
    } <= set(listed.stdout.split())
    wrong = _bench("--workload", "nothing")
    assert wrong.returncode == 64
    assert "nothing" in wrong.stderr


def _bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "gateway", "bench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
