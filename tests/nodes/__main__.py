"""`make test-nodes`: everything about several nodes, on PostgreSQL servers of Debian's package; says what was tried, and what was lost.

`python -m tests.nodes [--seeds N] [--partners N] [--only WORD]`. Exit status 0 only where every step passed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.demo.postgresql import ServerMissing, require

_ROOT: Final = Path(__file__).parents[2]
_PYTEST: Final = (sys.executable, "-m", "pytest", "-q", "-n0", "-p", "no:cacheprovider")
_SIDE_BY_SIDE: Final = (*_PYTEST, "-n4", "--dist", "loadfile", "-m", "not torture")


@dataclass(frozen=True)
class Step:
    """A command, and what it tries."""

    what: str
    command: tuple[str, ...]
    told: bool = False
    """Whether what it prints is told as it comes."""


def steps() -> list[Step]:
    contracts = [path for pattern in ("dispatch", "object", "payload", "store") for path in _contract(pattern)]
    return [
        Step(
            "contract of the ledger, on SQLite and on PostgreSQL",
            (*_SIDE_BY_SIDE, "tests/unit/ledger", "tests/unit/stages"),
        ),
        Step("contracts of the store and of wake-ups, on each of theirs", (*_SIDE_BY_SIDE, *contracts)),
        Step(
            "a machine joins, versions side by side, wake-ups, what people decide, accounts of their own",
            (*_PYTEST, *_acceptance()),
        ),
        Step(
            "lanes and the fence",
            (
                *_PYTEST,
                "-s",
                "-m",
                "torture or not torture",
                "tests/crash/test_nodes.py",
                "tests/crash/test_failover.py",
            ),
            told=True,
        ),
        Step(
            "the demonstration",
            (sys.executable, "-P", "-m", "gateway", "demo", "--nodes", "3"),
            told=True,
        ),
        Step("a demonstration that stays", (*_PYTEST, "-m", "torture", "tests/nodes/test_demonstration.py")),
        Step("whole nodes and partners", (*_PYTEST, "-s", "-m", "torture", "tests/nodes/test_sweep.py"), told=True),
    ]


def _contract(word: str) -> list[str]:
    return sorted(str(path.relative_to(_ROOT)) for path in (_ROOT / "tests" / "contract").glob(f"test_*{word}*.py"))


def _acceptance() -> list[str]:
    names = (
        "postgresql",
        "joining",
        "rolling_upgrade",
        "wake_ups",
        "two_nodes",
        "deciding_at_nodes",
        "split_nodes",
        "old_ledgers",
    )
    return [
        f"tests/acceptance/test_{name}.py" for name in names if (_ROOT / f"tests/acceptance/test_{name}.py").is_file()
    ]


def run(step: Step, environment: dict[str, str]) -> tuple[bool, float, str]:
    """Whether it passed, after how many seconds, and the end of what it said."""
    began, lines = time.monotonic(), []
    process = subprocess.Popen(
        step.command, cwd=_ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    for line in process.stdout:
        lines.append(line)
        if step.told:
            sys.stdout.write(line)
            sys.stdout.flush()
    return process.wait() == 0, time.monotonic() - began, "".join(lines[-60:])


def main() -> int:
    parser = argparse.ArgumentParser(prog="make test-nodes NODES_ARGS=...")
    parser.add_argument("--seeds", type=int, default=1, help="how many orders of faults the last step tries")
    parser.add_argument("--partners", type=int, default=50)
    parser.add_argument("--only", default="", metavar="WORD", help="the steps with that word in what they try")
    wanted = parser.parse_args()
    try:
        require()
    except ServerMissing as error:
        sys.stderr.write(f"{error.reason} {error.remedy}\n")
        return error.exit_status
    environment = {
        **os.environ,
        "GATEWAY_SWEEP_SEEDS": str(wanted.seeds),
        "GATEWAY_SWEEP_PARTNERS": str(wanted.partners),
    }
    table, failed = [], 0
    for step in steps():
        if wanted.only not in step.what:
            continue
        sys.stdout.write(f"== {step.what}\n")
        passed, seconds, said = run(step, environment)
        if not passed and not step.told:
            sys.stdout.write(said)
        failed += not passed
        outcome = (said.strip().splitlines() or [""])[-1] if passed else "FAILED"
        table.append(f"{'ok' if passed else 'no':3} {seconds:6.0f} s  {step.what}: {outcome}")
    sys.stdout.write("\nWhat was tried\n" + "\n".join(table) + "\n")
    sys.stdout.write("Lost: nothing\n" if not failed else f"{failed} of {len(table)} steps failed: see above\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
