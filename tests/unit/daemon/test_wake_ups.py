"""Wake-ups between roles, and of a role by its own threads."""

import os
from pathlib import Path

import pytest

from gateway.daemon.wake_ups import WakeUp, wake


def test_hundreds_of_wake_ups_are_one_byte_until_the_role_has_waited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[bytes] = []
    write = os.write

    def counted(descriptor: int, data: bytes) -> int:
        written.append(data)
        return write(descriptor, data)

    with WakeUp(tmp_path, "inspect") as wake_up:
        monkeypatch.setattr(os, "write", counted)
        for _ in range(500):
            wake_up.wake()
        assert written == [b"!"]
        assert wake_up.wait(0.0)
        assert not wake_up.wait(0.0)
        wake_up.wake()
        assert wake_up.wait(0.0)


def test_a_wake_up_while_the_bell_is_answered_is_not_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with WakeUp(tmp_path, "inspect") as wake_up:
        read = os.read

        def interrupted(descriptor: int, size: int) -> bytes:
            wake_up.wake()  # as a signal's handler or the watcher's thread
            data = read(descriptor, size)
            wake_up.wake()
            return data

        wake_up.wake()
        monkeypatch.setattr(os, "read", interrupted)
        assert wake_up.wait(0.0)  # what came meanwhile is seen by whoever looks now
        monkeypatch.undo()
        wake_up.wake()
        assert wake_up.wait(0.0)


def test_another_role_rings_as_well(tmp_path: Path) -> None:
    wake(tmp_path, "inspect")  # nobody is there
    with WakeUp(tmp_path, "inspect") as wake_up:
        wake_up.wake()
        wake(tmp_path, "inspect")
        assert wake_up.wait(0.0)
        assert not wake_up.wait(0.0)
        wake(tmp_path, "inspect")
        assert wake_up.wait(0.0)


def test_a_byte_that_somebody_else_read_does_not_make_the_role_deaf(tmp_path: Path) -> None:
    with WakeUp(tmp_path, "inspect") as wake_up:
        wake_up.wake()
        stranger = os.open(tmp_path / "inspect.bell", os.O_RDONLY | os.O_NONBLOCK)
        os.read(stranger, 10)
        os.close(stranger)
        assert not wake_up.wait(0.0)
        wake_up.wake()
        assert wake_up.wait(0.0)
