"""`storage.named_first`: names come before their rows, and nobody removes them meanwhile."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from gateway.errors import DiskFailed, LedgerBusy
from gateway.storage.named_first import naming, nobody_naming


def is_held(directory: Path) -> bool:
    try:
        with nobody_naming(directory, 0.0):
            return False
    except LedgerBusy:
        return True


def test_who_removes_names_waits_for_all_who_give_them(tmp_path: Path) -> None:
    with naming(tmp_path), naming(tmp_path):
        assert is_held(tmp_path)
    with naming(tmp_path):
        assert is_held(tmp_path)
    assert not is_held(tmp_path)


def test_names_of_another_directory_are_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    with naming(tmp_path / "other"):
        assert not is_held(tmp_path)


def test_directory_is_let_go_where_the_transaction_failed(tmp_path: Path) -> None:
    with pytest.raises(DiskFailed), naming(tmp_path):
        raise DiskFailed("linking")
    assert not is_held(tmp_path)


def test_process_that_was_forked_meanwhile_holds_nothing(tmp_path: Path) -> None:
    with naming(tmp_path):
        child = os.fork()
        if child == 0:
            signal.pause()
    assert not is_held(tmp_path)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


def test_process_that_is_killed_holds_nothing(tmp_path: Path) -> None:
    ours, theirs = os.pipe()
    child = os.fork()
    if child == 0:
        with naming(tmp_path):
            os.write(theirs, b"x")
            signal.pause()
    os.read(ours, 1)
    assert is_held(tmp_path)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert not is_held(tmp_path)
    os.close(ours)
    os.close(theirs)


def test_directory_that_is_not_there_is_a_fault_of_the_disk(tmp_path: Path) -> None:
    with pytest.raises(DiskFailed), naming(tmp_path / "none"):
        pass
