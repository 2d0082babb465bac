"""A role's pulse: it beats while steps are made, keeps count, and a full disk does not stop it."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path

import pytest

from gateway.daemon.pulse import (
    HELD_UP_SECONDS,
    STEP_BOUNDS,
    Pulse,
    PutOff,
    StillPulse,
    held_up,
    last_beat,
    read_pulse,
)
from gateway.daemon.watchdog import watchdog


class Clock:
    """Seconds that the test says."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_steps_are_counted_by_stage_and_a_restart_counts_as_a_start(tmp_path: Path) -> None:
    clock = Clock()
    with Pulse(tmp_path, "link", monotonic=clock) as pulse:
        for seconds in (0.004, 0.3, 1000.0):
            pulse.made_step("send", 2, seconds)
        pulse.made_step("collect", 0, 5.0)
        clock.now += 1.0
        pulse.failed_step("collect", "disk-full")
    said = read_pulse(tmp_path, "link")
    assert said is not None
    assert (said.starts, dict(said.failures), list(said.steps)) == (1, {"collect": 1}, ["send"])
    buckets = dict(said.steps["send"].buckets())
    assert (buckets["0.005"], buckets["0.25"], buckets["0.5"], buckets["300.0"], buckets["+Inf"]) == (1, 1, 2, 2, 3)
    assert said.steps["send"].total == pytest.approx(1000.304)
    with Pulse(tmp_path, "link"):
        again = read_pulse(tmp_path, "link")
    assert again is not None
    assert (again.starts, dict(again.steps)) == (2, {})


def test_it_beats_at_most_once_a_second_and_tells_systemd_then(tmp_path: Path) -> None:
    clock, told = Clock(), list[int]()
    with Pulse(tmp_path, "vault", lambda: told.append(1), clock) as pulse:
        for _ in range(10):
            clock.now += 0.25
            pulse.beat()
    assert len(told) == 1 + 2


def test_a_full_disk_does_not_stop_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "full")

    clock = Clock()
    with Pulse(tmp_path, "vault", monotonic=clock) as pulse:
        os.utime(tmp_path / "vault.pulse", (1, 1))
        monkeypatch.setattr(os, "pwrite", full)
        clock.now += 1.0
        pulse.beat()
    assert (last_beat(tmp_path, "vault") or 0) > 10**18


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"[1]", b'{"starts": 1, "steps": {"x": [0, 1]}, "failures": 3}', b"\xff"]
)
def test_a_damaged_pulse_says_nothing_of_its_steps_and_the_role_starts(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "link.pulse").write_bytes(content)
    said = read_pulse(tmp_path, "link")
    assert said is None or not said.steps
    with Pulse(tmp_path, "link"):
        pass
    again = read_pulse(tmp_path, "link")
    assert again is not None
    assert again.starts >= 1


def test_a_pulse_that_stands_still_is_timed_by_looks_and_not_by_a_clock_that_jumps(tmp_path: Path) -> None:
    path = tmp_path / "link.pulse"
    path.touch()
    still = StillPulse(tmp_path, "link")
    assert still.look(1000.0) == 0.0
    assert [still.look(1000.0 + second) for second in (0.5, 1.0, 500.0)] == [0.5, 1.0, 2.0]
    os.utime(path, (5, 5))
    assert still.look(501.0) == 0.0
    still.look(502.0)
    still.forget()
    assert still.look(503.0) == 0.0


def test_bounds_grow() -> None:
    assert list(STEP_BOUNDS) == sorted(set(STEP_BOUNDS))


# -- systemd's watchdog


@pytest.mark.parametrize("kind", ["a path", "the abstract name space"])
def test_systemd_is_told_where_it_asked_this_process_alone(tmp_path: Path, kind: str) -> None:
    path, abstract = str(tmp_path / "notify"), kind != "a path"
    address = "\0" + path if abstract else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(address)
        systemd.setblocking(False)
        asked = {"NOTIFY_SOCKET": "@" + path if abstract else path, "WATCHDOG_USEC": "1000000", "WATCHDOG_PID": "7"}
        watchdog(asked, 7)()
        assert systemd.recv(100) == b"WATCHDOG=1"
        for other in ({**asked, "WATCHDOG_PID": "8"}, {**asked, "WATCHDOG_USEC": ""}, {**asked, "NOTIFY_SOCKET": ""}):
            watchdog(other, 7)()
        with pytest.raises(BlockingIOError):
            systemd.recv(100)
    watchdog(asked, 7)()  # nobody listens any more


def test_a_stage_is_held_up_once_each_of_its_steps_was_put_off_for_minutes(tmp_path: Path) -> None:
    clock = Clock()
    with Pulse(tmp_path, "inspect", monotonic=clock) as pulse:
        for stage in ("admit", "requests"):
            pulse.failed_step(stage, "disk-full")
        clock.now += HELD_UP_SECONDS - 1
        pulse.failed_step("requests", "ledger-busy")
        assert held_up(tmp_path, "inspect") == {}
        pulse.made_step("admit", 0, 0.1)
        clock.now += 1
        pulse.failed_step("requests", "disk-full")
        assert held_up(tmp_path, "inspect") == {"requests": PutOff(HELD_UP_SECONDS, "disk-full")}
        clock.now += 1
        pulse.made_step("requests", 0, 0.1)
        assert held_up(tmp_path, "inspect") == {}
    assert held_up(tmp_path, "vault") == {}
