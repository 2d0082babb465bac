"""The filter around the managed sshd: set attributes and nothing comes of it, on the architectures that it knows."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.linux import seccomp
from gateway.linux.seccomp import ALLOW, IGNORE, REFUSE, Line, can_ignore_attributes

ROOT = Path(__file__).parents[3]
FILTERED = pytest.mark.skipif(not can_ignore_attributes(), reason="this kernel has no seccomp, or is of a rare kind")

_IGNORED = {
    "x86_64": {
        "chmod": 90, "fchmod": 91, "chown": 92, "fchown": 93, "lchown": 94, "utime": 132, "utimes": 235, "fchownat": 260,
        "futimesat": 261, "fchmodat": 268, "utimensat": 280, "fchmodat2": 452,
    },
    "aarch64": {"fchmod": 52, "fchmodat": 53, "fchownat": 54, "fchown": 55, "utimensat": 88, "fchmodat2": 452},
}  # fmt: skip
_ALLOWED = {
    "x86_64": {"read": 0, "write": 1, "ftruncate": 77, "rename": 82, "link": 86, "openat": 257, "newfstatat": 262},
    "aarch64": {"ftruncate": 46, "openat": 56, "read": 63, "write": 64, "newfstatat": 79},
}
_TRUNCATE = {"x86_64": 76, "aarch64": 45}


def verdict(program: list[Line], architecture: int, number: int) -> int:
    """What the kernel makes of a call: the few instructions that are used here, one after the other."""
    loaded, at = 0, 0
    while True:
        code, yes, no, value = program[at]
        at += 1
        match code:
            case seccomp.LOAD:
                loaded = architecture if value == seccomp.ARCHITECTURE else number
            case seccomp.IF_EQUAL:
                at += yes if loaded == value else no
            case seccomp.IF_AT_LEAST:
                at += yes if loaded >= value else no
            case seccomp.RETURN:
                return value
            case _:
                raise AssertionError(code)


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_each_call_gets_the_answer_that_is_meant_for_it(machine: str) -> None:
    calls = seccomp._KNOWN[machine]
    program = seccomp._attributes_program(calls)
    answers = {number: verdict(program, calls.audit, number) for number in range(600)}
    assert {number for number, answer in answers.items() if answer == IGNORE} == set(_IGNORED[machine].values())
    assert [number for number, answer in answers.items() if answer == REFUSE] == [_TRUNCATE[machine]]
    assert all(answers[number] == ALLOW for number in _ALLOWED[machine].values())


@pytest.mark.parametrize("machine", ["x86_64", "aarch64"])
def test_call_in_another_architectures_form_is_refused(machine: str) -> None:
    calls = seccomp._KNOWN[machine]
    program = seccomp._attributes_program(calls)
    i386, x32 = 0x4000_0003, 0x4000_0000
    assert {verdict(program, i386, number) for number in range(600)} == {REFUSE}
    assert {verdict(program, calls.audit, x32 + number) for number in range(600)} == {REFUSE}


def test_rare_architecture_is_said_to_have_no_filter() -> None:
    assert not can_ignore_attributes("sparc64")
    assert not seccomp.ignore_attributes("sparc64")


_TRIAL = """
import os, sys
from gateway.linux.seccomp import ignore_attributes
assert ignore_attributes()
path = sys.argv[1]
with open(path, "r+b") as file:
    for each in (path, file.fileno()):
        os.chmod(each, 0o777)
        os.chown(each, 4711, 4711)
        os.utime(each, (5, 5))
    try:
        os.truncate(path, 1)
    except PermissionError:
        print("refused")
    file.truncate(3)
"""


@FILTERED
def test_modes_owners_and_times_stay_what_they_are_and_nobody_is_told_of_an_error(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"sealed")
    file.chmod(0o600)
    before = file.stat()
    done = subprocess.run(
        [sys.executable, "-P", "-c", _TRIAL, str(file)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["refused"]
    after = file.stat()
    assert (after.st_mode, after.st_uid, after.st_gid) == (before.st_mode, before.st_uid, before.st_gid)
    assert after.st_mtime >= before.st_mtime
    # An open file's own handle was let write, so it may cut as well.
    assert file.read_bytes() == b"sea"


@FILTERED
def test_asking_whether_there_is_a_filter_puts_none_in_force(tmp_path: Path) -> None:
    assert platform.machine() in _IGNORED
    assert can_ignore_attributes()
    (tmp_path / "file").touch()
    (tmp_path / "file").chmod(0o640)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640
