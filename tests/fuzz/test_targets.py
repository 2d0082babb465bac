"""The fuzzing's readers over every seed, over what fuzzing has found before, and over some mutations: no fuzzer needed."""

from __future__ import annotations

import random
import socket
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

import pytest

from gateway.errors import LedgerCorrupt, ManifestMalformed
from tests.fuzz import campaign
from tests.fuzz.oracle import Fence, Surprise, judge
from tests.fuzz.planted import PLANTED
from tests.fuzz.seeds import CORPUS, FOUND, seeds, write
from tests.fuzz.targets import TARGETS, Target, mutated

_MUTATIONS = 25
"""Of each seed: a second or two for all of them."""


def _inputs(name: str) -> list[Path]:
    return sorted(path for directory in (CORPUS, FOUND) for path in (directory / name).glob("*"))


@pytest.mark.parametrize("name", TARGETS)
def test_every_seed_and_everything_that_was_found_is_judged_without_a_surprise(name: str, tmp_path: Path) -> None:
    target = TARGETS[name]
    check, fence = target.make(tmp_path), Fence(tmp_path)
    came = {path.stem: judge(target, check, fence, path.read_bytes()) for path in _inputs(name)}
    assert came.get("right", "accepted") == "accepted", "a target that accepts nothing tries nothing"
    for path in _inputs(name):
        rng = random.Random(f"{name}/{path.name}")
        for _ in range(_MUTATIONS):
            judge(target, check, fence, mutated(path.read_bytes(), rng))


def test_committed_seeds_are_what_the_script_makes(tmp_path: Path) -> None:
    write(tmp_path)
    made = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    kept = {path.relative_to(CORPUS): path.read_bytes() for path in CORPUS.rglob("*") if path.is_file()}
    assert made == kept
    assert {target for target, _, _ in seeds()} == set(TARGETS)


# -- the oracle itself


def _leaves_a_file(_data: bytes) -> Sequence[str]:
    Path("/dev/shm/gateway-fuzz-left").write_bytes(b"")
    return ()


def _calls_out(_data: bytes) -> Sequence[str]:
    with socket.socket() as out:
        out.connect(("127.0.0.1", 9))
    return ()


def _starts_a_program(_data: bytes) -> Sequence[str]:
    with suppress(Exception):  # as a careless reader would
        subprocess.run(["true"], check=True)
    return ()


def _loses_its_key(_data: bytes) -> Sequence[str]:
    raise KeyError("a defect")


def _halts(_data: bytes) -> Sequence[str]:
    raise LedgerCorrupt


def _breaks_its_law(_data: bytes) -> Sequence[str]:
    raise AssertionError("read back as something else")


def _repeats(data: bytes) -> Sequence[str]:
    raise ManifestMalformed(f"not a manifest: {data.decode()}")


@pytest.mark.parametrize(
    "reader", [_leaves_a_file, _calls_out, _starts_a_program, _loses_its_key, _halts, _breaks_its_law, _repeats]
)
def test_what_no_reader_may_do_is_a_surprise(reader: Callable[[bytes], Sequence[str]], tmp_path: Path) -> None:
    target = Target("reader", lambda _scratch: reader, (ManifestMalformed,))
    with pytest.raises(Surprise):
        judge(target, reader, Fence(tmp_path), b"QQ123456C")
    assert not Path("/dev/shm/gateway-fuzz-left").exists()


def test_what_a_reader_may_do_is_none(tmp_path: Path) -> None:
    check, fence = PLANTED.make(tmp_path), Fence(tmp_path)
    assert judge(PLANTED, check, fence, b"{}") == "accepted"
    assert judge(PLANTED, check, fence, b"[]") == "manifest-malformed"


# -- the campaign


def test_a_summary_says_what_was_tried_what_was_found_and_how_to_see_it_again() -> None:
    outcomes = [
        campaign.TargetResult("card", 90_000, ()),
        campaign.TargetResult("pdf", 1_234, (Path("/x/crash-1"),), "Surprise: pdf let KeyError out"),
    ]
    said = campaign.summary(outcomes, 60)
    assert "card               90,000 executions  0 crashes" in said
    assert "in all             91,234 executions  1 crashes" in said
    assert f"{sys.executable} -m tests.fuzz pdf /x/crash-1" in said


@pytest.mark.skipif(find_spec("atheris") is None, reason="`make fuzz` installs atheris, and runs this first")
def test_a_defect_is_found_its_input_is_kept_and_shows_it_again(tmp_path: Path) -> None:
    assert campaign.main(["--seconds", "60", "--kept", str(tmp_path), "planted"]) == 1
    (kept,) = (tmp_path / "planted").glob("crash-*")
    assert kept.read_bytes().startswith(b"{!")
    again = subprocess.run(
        [sys.executable, "-m", "tests.fuzz", "planted", str(kept)], capture_output=True, check=False, cwd=campaign.ROOT
    )
    assert again.returncode != 0
    assert b"planted let KeyError out" in again.stderr + again.stdout
