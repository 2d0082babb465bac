"""Counting what all processes below this one use."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from gateway.bench.processes import Meter, family, high_water, open_files

BUSY = "import time\nend = time.process_time() + 0.3\nwhile time.process_time() < end: pass\n"
HUNGRY = "import sys\nheld = bytearray(64 << 20)\nsys.stdin.read()\n"


def test_time_of_a_child_and_of_its_child_counts_after_both_have_ended() -> None:
    with Meter() as meter:
        subprocess.run([sys.executable, "-c", BUSY], check=True)
        both = f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {BUSY!r}], check=True)\n{BUSY}"
        subprocess.run([sys.executable, "-c", both], check=True)
    assert meter.cost.cpu >= 0.8
    assert meter.cost.seconds > 0.3


def test_memory_and_open_files_of_a_child_that_lives_are_seen() -> None:
    with subprocess.Popen([sys.executable, "-c", HUNGRY], stdin=subprocess.PIPE) as child, Meter() as meter:
        while high_water(child.pid) < 64 << 20:
            assert child.poll() is None
        assert child.pid in family()
        assert open_files(child.pid) >= 3
        assert child.stdin is not None
    assert max(meter.cost.peaks.values()) >= 64 << 20


def test_own_time_does_not_count() -> None:
    with Meter() as meter:
        sum(number * number for number in range(500_000))
    assert meter.cost.cpu < 0.02


def test_process_that_is_looked_at_while_it_ends_is_still_what_it_was() -> None:
    """The kernel has its account then, and no command line of it any more."""
    with (
        subprocess.Popen(
            [sys.executable, "-c", f"{BUSY}print(flush=True)\n{HUNGRY}", "gateway", "load"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as child,
        Meter() as meter,
    ):
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(0.6)  # two looks
        child.kill()
        while Path(f"/proc/{child.pid}/cmdline").read_bytes():
            time.sleep(0.01)
    assert meter.cost.roles["gateway load"].seconds >= 0.2
