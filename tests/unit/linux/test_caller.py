"""Who stands behind a process: sessions as /proc shows them, and what anybody may write about himself."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.linux.caller import Caller, KnownBy, caller

ROOT, ALICE, MALLORY, GATEWAY = 0, 1000, 1001, 990
UNSET = "4294967295"

Line = tuple[int, str]
"""Real user id and name."""

SSH = (ROOT, "sshd"), (ROOT, "systemd")


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "loginuid").write_text(UNSET)
    return tmp_path


def session(proc: Path, *lines: Line) -> int:
    """A process and those above it, the innermost first; its number."""
    last = len(lines)
    for at, (owner, name) in enumerate(lines):
        number = last - at
        (proc / str(number)).mkdir()
        stat = f"{number} ({name}) S {number - 1} " + " ".join("0" for _ in range(17)) + f" {number * 100} 0 0"
        (proc / str(number) / "stat").write_text(stat)
        (proc / str(number) / "status").write_text(f"Name:\t{ascii(name)[1:-1]}\nUid:\t{owner}\t0\t0\t0\nGid:\t0\n")
    return last


@pytest.mark.parametrize(
    ("lines", "login"),
    [
        ([(GATEWAY, "python"), (ROOT, "sudo"), (ALICE, "bash"), (ALICE, "sshd"), *SSH], ALICE),
        ([(GATEWAY, "python"), (ROOT, "sudo"), (ROOT, "sudo"), (ALICE, "bash"), *SSH], ALICE),
        ([(GATEWAY, "python"), (ROOT, "runuser"), (ROOT, "bash"), (ROOT, "sudo"), (ALICE, "bash"), *SSH], ALICE),
        ([(GATEWAY, "python"), (ALICE, "su"), (ALICE, "bash"), *SSH], ALICE),
        ([(GATEWAY, "python"), (ROOT, "sudo"), (ALICE, "bash"), (ROOT, "sudo"), (MALLORY, "bash"), *SSH], MALLORY),
        ([(GATEWAY, "python"), (GATEWAY, "sh"), (ROOT, "runuser"), (ROOT, "bash"), *SSH], ROOT),
        ([(ROOT, "python"), (ROOT, "sudo"), (ALICE, "bash"), *SSH], ALICE),
        ([(ALICE, "python"), (ALICE, "su"), (ALICE, "bash"), *SSH], None),
        ([(GATEWAY, "python"), (GATEWAY, "bash"), *SSH], None),
        ([(GATEWAY, "python"), (ROOT, "cron"), (ROOT, "systemd")], None),
        ([(GATEWAY, "su"), (GATEWAY, "runuser"), (ROOT, "systemd")], None),
        ([(GATEWAY, "a) b (c"), (ALICE, "\nUid:\t0"), *SSH], ALICE),
    ],
)
def test_the_processes_above_tell_who_came_in(proc: Path, lines: list[Line], login: int | None) -> None:
    account = lines[0][0]
    expected = Caller(account, account) if login is None else Caller(account, login, KnownBy.PROCESSES)
    assert caller(account, session(proc, *lines), {}, proc) == expected


def test_the_login_uid_goes_before_what_the_processes_say(proc: Path) -> None:
    number = session(proc, (GATEWAY, "python"), (ROOT, "sudo"), (ALICE, "bash"), *SSH)
    (proc / "self" / "loginuid").write_text(f"{MALLORY}\n")
    assert caller(GATEWAY, number, {}, proc) == Caller(GATEWAY, MALLORY, KnownBy.LOGIN_UID)
    (proc / "self" / "loginuid").write_text(str(GATEWAY))
    assert caller(GATEWAY, number, {}, proc) == Caller(GATEWAY, GATEWAY), "it logged in as the gateway's account itself"


def test_what_anybody_can_set_is_no_evidence(proc: Path) -> None:
    said = {"SUDO_UID": str(ALICE), "SUDO_USER": "alice", "USER": "alice", "LOGNAME": "alice"}
    assert caller(GATEWAY, session(proc, (GATEWAY, "python"), *SSH), said, proc) == Caller(GATEWAY, GATEWAY)


def test_root_is_believed_about_sudo_where_nothing_else_is_known(proc: Path) -> None:
    number = session(proc, (ROOT, "python"), (ROOT, "tmux"), (ROOT, "systemd"))
    assert caller(ROOT, number, {"SUDO_UID": str(ALICE)}, proc) == Caller(ROOT, ALICE, KnownBy.SUDO)
    for nonsense in ({}, {"SUDO_UID": "alice"}, {"SUDO_UID": "-1"}, {"SUDO_UID": "9" * 30}):
        assert caller(ROOT, number, nonsense, proc) == Caller(ROOT, ROOT)


def test_a_number_that_another_process_has_by_now_is_nobodys_parent(proc: Path) -> None:
    number = session(proc, (GATEWAY, "python"), (ALICE, "bash"), *SSH)
    parent = proc / str(number - 1) / "stat"
    parent.write_text(parent.read_text().replace(f" {(number - 1) * 100} 0 0", " 99999 0 0"))
    assert caller(GATEWAY, number, {}, proc) == Caller(GATEWAY, GATEWAY)


def test_a_system_that_hides_its_processes_leaves_the_account(tmp_path: Path) -> None:
    assert caller(GATEWAY, 7, {}, tmp_path) == Caller(GATEWAY, GATEWAY)


@pytest.mark.skipif(os.geteuid() != 0, reason="becomes another account, which takes root")
def test_root_is_found_behind_runuser() -> None:
    """The real /proc. A login uid, where this machine sets one, says root as well, or who became root."""
    source = Path(__file__).parents[3] / "gateway" / "linux" / "caller.py"
    script = "import os, pathlib, sys; exec(sys.stdin.read()); print(caller(os.getuid(), os.getpid(), {}))"
    python = "/usr/bin/python3" if Path("/usr/bin/python3").exists() else sys.executable
    done = subprocess.run(
        ["runuser", "-u", "nobody", "--", python, "-c", script],
        input=source.read_text(encoding="utf-8"),
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
    )
    assert "known_by=<KnownBy" in done.stdout
