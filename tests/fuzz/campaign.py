"""Fuzzes the targets side by side and sums up: `make fuzz`, or `python -m tests.fuzz.campaign --seconds 60 [TARGET]...`.

Each target is a process of its own, so that a reader that dies takes nothing along. What ends one (an error, a hang, too
much memory) is kept under `.fuzz/TARGET/`, with the command that shows it again, and makes the exit status 1. Inputs that
reached something new are kept there too: the next run goes on from them.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from tests.fuzz.planted import PLANTED
from tests.fuzz.seeds import CORPUS, FOUND
from tests.fuzz.targets import TARGETS, Target

ROOT: Final = Path(__file__).parents[2]
KEPT: Final = ROOT / ".fuzz"
_ALL: Final = {**TARGETS, PLANTED.name: PLANTED}
_TIME_LIMIT: Final = 20
"""Seconds by the clock that one input may take: a hang, on a busy machine too."""
_IN_MEMORY: Final = Path("/dev/shm")
_MEMORY: Final = 2048
"""MiB that a target may use."""
_EXECUTED: Final = re.compile(r"stat::number_of_executed_units:\s+(\d+)")
_KEPT: Final = re.compile(r"Test unit written to (\S+)")
_GRACE: Final = 120


@dataclass(frozen=True)
class TargetResult:
    """How one target came out. `found` are the inputs that ended it; `said` is the end of what it printed, where it failed."""

    target: str
    executions: int
    found: tuple[Path, ...]
    said: str = ""

    @property
    def fine(self) -> bool:
        return not self.found and not self.said


def fuzz(target: Target, seconds: int, kept: Path = KEPT) -> TargetResult:
    """One target for so long, or until it finds something."""
    directory = kept / target.name
    corpus = directory / "corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    seeds = [str(path / target.name) for path in (CORPUS, FOUND) if (path / target.name).is_dir()]
    with (
        tempfile.NamedTemporaryFile("w", suffix=".dict", encoding="ascii") as words,
        # atheris ends its process without clearing up, and a fuzzer writes some thousands of files a second.
        tempfile.TemporaryDirectory(prefix="gateway-fuzz-", dir=_IN_MEMORY if _IN_MEMORY.is_dir() else None) as scratch,
    ):
        words.writelines(f'"{_escaped(word)}"\n' for word in target.words)
        words.flush()
        options = [
            f"-max_total_time={seconds}",
            f"-max_len={target.longest}",
            f"-timeout={_TIME_LIMIT}",
            f"-rss_limit_mb={_MEMORY}",
            f"-report_slow_units={_TIME_LIMIT}",
            f"-artifact_prefix={directory}/",
            "-print_final_stats=1",
            *([f"-dict={words.name}"] if target.words else []),
        ]
        command = [sys.executable, "-m", "tests.fuzz", target.name, *options, str(corpus), *seeds]
        try:
            done = subprocess.run(
                command,
                env={**os.environ, "TMPDIR": scratch},
                cwd=ROOT,
                capture_output=True,
                check=False,
                stdin=subprocess.DEVNULL,
                timeout=seconds + _GRACE,
            )
        except subprocess.TimeoutExpired:
            return TargetResult(target.name, 0, (), "it did not end")
    lines = (done.stderr + done.stdout).decode("utf-8", "replace").splitlines()
    said = "\n".join(line for line in lines if not line.startswith(("INFO:", "WARNING:", "#")))
    executed = _EXECUTED.search(said)
    found = tuple(Path(name) for name in _KEPT.findall(said))
    fine = done.returncode == 0 and executed is not None
    return TargetResult(target.name, int(executed[1]) if executed else 0, found, "" if fine else said[-3000:])


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{octet:02x}" for octet in word)


def summary(outcomes: Sequence[TargetResult], seconds: int) -> str:
    """What was tried and what was found, a line for each target."""
    counted = [(each.target, each.executions, int(not each.fine)) for each in outcomes]
    total = ("in all", sum(each.executions for each in outcomes), sum(not each.fine for each in outcomes))
    lines = [f"fuzzed for {seconds} s each"]
    lines += [
        f"{what:14} {executed:>10,} executions  {crashes} crashes" for what, executed, crashes in (*counted, total)
    ]
    for each in outcomes:
        if not each.fine:
            lines += ["", f"-- {each.target}:", each.said.strip()]
            lines += [f"to see it again: {sys.executable} -m tests.fuzz {each.target} {path}" for path in each.found]
    return "\n".join(lines)


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(prog="fuzz", description="Fuzz the readers of what others wrote.")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--jobs", type=int, default=2, help="side by side")
    parser.add_argument("--kept", type=Path, default=KEPT, help="where inputs are kept")
    parser.add_argument("targets", nargs="*", choices=[*_ALL, []], help="all but the planted one, unless named")
    asked = parser.parse_args(arguments)
    wanted = [_ALL[name] for name in asked.targets or TARGETS]
    with ThreadPoolExecutor(asked.jobs) as threads:
        outcomes = list(threads.map(partial(fuzz, seconds=asked.seconds, kept=asked.kept), wanted))
    sys.stdout.write(summary(outcomes, asked.seconds) + "\n")
    return 0 if all(each.fine for each in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
