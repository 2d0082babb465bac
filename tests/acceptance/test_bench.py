"""The bench itself, small: the gateway's lead over the shell script must not fall below a floor, whatever else runs here.

Both carry the same files on the same machine within the same minute, so a busy machine slows both. The floors are far
below what an idle machine shows (docs/performance.md): they catch what makes the gateway several times slower.
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

from gateway.bench.contest import contest, once, ratios
from gateway.bench.contract import BenchUnavailable, Contestant, Run
from gateway.bench.files import claims, make_extract
from gateway.bench.ground import Ground

CLAIMS: Final = 200
RATE_FLOOR: Final = 2.0
"""Times as many files a second as the batch script: 4 and more beside a dozen busy processes, far more on an idle machine."""
CPU_FLOOR: Final = 1.3
"""Times less processor time a file than the script takes, which a busy machine hardly changes."""
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
    (ratio,) = ratios(runs)
    said = f"{script.files_per_second:.0f} and {whole.files_per_second:.0f} files/s; CPU {_cpu(script):.1f} and {_cpu(whole):.1f} ms"
    assert ratio.median >= RATE_FLOOR, said
    assert _cpu(script) / _cpu(whole) >= CPU_FLOOR, said
    assert max((*whole.cost.peaks.values(), *large.cost.peaks.values())) < MEMORY_LIMIT, large.cost.peaks


def _cpu(run: Run) -> float:
    """Milliseconds of processor time a file."""
    return run.cost.cpu / run.files * 1000


def test_bench_lists_its_workloads_and_knows_no_others() -> None:
    listed = _bench("--list")
    assert {"claims", "laids", "day", "extract", "counts", "idle", "start", "backlog", "partners", "soak"} <= set(
        listed.stdout.split()
    )
    wrong = _bench("--workload", "nothing")
    assert wrong.returncode == 64
    assert "nothing" in wrong.stderr


def _bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-P", "-m", "gateway", "bench", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
