"""A command that runs in a fork is the command that `python -m gateway` runs: what it says, how it ends, what it sees."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.acceptance.forked import command
from tests.acceptance.sites import ENVIRONMENT, Site


@pytest.mark.parametrize(
    "arguments", [["--version"], ["transfers"], ["nonsense"], ["--home", "/nowhere", "status"]], ids=str
)
def test_it_says_and_ends_as_a_process_of_its_own_does(arguments: list[str], tmp_path: Path) -> None:
    env = {**ENVIRONMENT, "GATEWAY_HOME": str(tmp_path / "nothing")}
    started = [sys.executable, "-P", "-m", "gateway", *arguments]
    wanted = subprocess.run(started, capture_output=True, text=True, check=False, env=env)
    said = command(*arguments, env=env)
    assert (said.returncode, said.stdout, said.stderr) == (wanted.returncode, wanted.stdout, wanted.stderr)


def test_it_has_the_callers_directory_and_mask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    os.umask(0o077)
    out = command("sample", "claim", "--to", "E09000030", "--count", "1", "--out", "here", env=ENVIRONMENT)
    assert out.returncode == 0, out.stderr
    made = [path for path in (tmp_path / "here").rglob("*") if path.is_file()]
    assert made
    assert {path.stat().st_mode & 0o077 for path in made} == {0}


def test_several_threads_each_get_their_own_answer() -> None:
    words = [f"nonsense-{number}" for number in range(8)]
    with ThreadPoolExecutor() as threads:
        answers = list(threads.map(lambda word: command(word, env=ENVIRONMENT), words))
    for word, answer in zip(words, answers, strict=True):
        assert answer.returncode == 64
        assert word in answer.stderr


def test_a_command_that_takes_too_long_is_killed(tmp_path: Path) -> None:
    with pytest.raises(subprocess.TimeoutExpired):
        command(
            "sample",
            "claim",
            "--to",
            "E09000030",
            "--count",
            "1000000",
            "--out",
            tmp_path / "many",
            env=ENVIRONMENT,
            timeout=1,
        )
    made = len(list((tmp_path / "many").glob("*"))) if (tmp_path / "many").exists() else 0
    assert command("--version", env=ENVIRONMENT).returncode == 0
    assert made == (len(list((tmp_path / "many").glob("*"))) if made else 0), "nothing is made any more"


@pytest.mark.parametrize("by_exec", [False, True])
def test_a_daemon_runs_until_a_signal_and_tells_its_status(pair: tuple[Site, Site], *, by_exec: bool) -> None:
    site = pair[0]
    site.start(by_exec=by_exec)
    assert site.daemon is not None
    with pytest.raises(subprocess.TimeoutExpired):
        site.daemon.wait(0)
    assert site.gateway("run", check=False).returncode == 69, "it runs already"
    assert site.stop() == 0
    site.start(by_exec=by_exec)
    assert site.stop(signal.SIGKILL) == -signal.SIGKILL
