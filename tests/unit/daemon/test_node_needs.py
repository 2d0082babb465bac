"""A node that cannot work is not there for the others: its store and its state have to take a file, and its roles to go on."""

from __future__ import annotations

import errno
import itertools
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from gateway.daemon import node_needs
from gateway.daemon.node_needs import Needs
from gateway.daemon.pulse import Pulse
from gateway.daemon.stage_loop import UNABLE
from gateway.errors import DiskFailed, DiskFull, RoleStill, StoreFull, StoreUnreachable
from gateway.settings.home import Home
from gateway.settings.model import Daemon
from gateway.settings.node import NodeSettings
from gateway.stages.itinerary import Role
from gateway.storage import durable
from gateway.storage.durable import Disk
from gateway.storage.objects.contract import MARK
from gateway.storage.objects.directory import DirectoryStore
from gateway.storage.shared_payloads import SharedPayloads

NODE = NodeSettings(name="north-1", role_seconds=60.0)


class Machine:
    """A node's home and its store, whose disk does what the test says; seconds pass by heartbeats."""

    def __init__(self, root: Path) -> None:
        self.now, self.home, self.store = 1000.0, Home(root / "home"), root / "store"
        self.home.run.mkdir(parents=True)
        self.store.mkdir()
        self.error = self.removal_error = 0
        disk = Disk(
            write=self._doing(os.write, lambda: self.error), unlink=self._doing(os.unlink, lambda: self.removal_error)
        )
        objects = DirectoryStore(self.store, "test", disk=disk)
        objects.put_new({MARK: lambda target: _written(target.write(b"mark"))})
        settings: Any = SimpleNamespace(home=self.home, node=NODE, daemon=Daemon())

        def no_key() -> Any:
            raise AssertionError

        payloads = SharedPayloads(self.home.state, objects, no_key, no_key)
        self.needs = Needs(settings, payloads, lambda: self.now)
        self.pulses = {role: Pulse(self.home.run, role, monotonic=lambda: self.now) for role in Role}

    def _doing(self, operation: Callable[..., Any], error: Callable[[], int]) -> Callable[..., Any]:
        def do(*arguments: Any) -> Any:
            if number := error():
                raise OSError(number, os.strerror(number))
            return operation(*arguments)

        return do

    def beat(self, *standing: Role, seconds: float = 3.0) -> None:
        """One heartbeat; these roles have made no step meanwhile."""
        self.now += seconds
        for role, pulse in self.pulses.items():
            if role not in standing:
                pulse.beat()
        self.needs.look()


def _written(count: int) -> None:
    assert count


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def left(directory: Path) -> set[str]:
    return {path.name for path in directory.rglob("*") if path.is_file()}


def test_trying_leaves_nothing(machine: Machine) -> None:
    before = left(machine.store), left(machine.home.run)
    machine.beat()
    machine.beat(seconds=31.0)
    assert (left(machine.store), left(machine.home.run)) == before


@pytest.mark.parametrize(
    ("number", "error"), [(errno.EROFS, StoreUnreachable), (errno.ENOSPC, StoreFull), (errno.EIO, StoreUnreachable)]
)
def test_store_that_can_be_read_and_not_written_is_away(machine: Machine, number: int, error: type[Exception]) -> None:
    machine.beat()
    machine.error = number
    machine.beat()  # it is tried now and then
    for _ in range(2):
        with pytest.raises(error):
            machine.beat(seconds=31.0)
    with pytest.raises(error):
        machine.beat()  # and at each heartbeat where that failed
    machine.error = 0
    machine.beat()
    (name,) = left(machine.store)
    assert name == MARK


@pytest.mark.parametrize("hanging", [1, 2])
def test_one_question_that_the_store_never_answers_is_asked_again(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, hanging: int
) -> None:
    asked, ended = itertools.count(1), threading.Event()

    def names(directory: Path) -> Iterator[str]:
        if next(asked) <= hanging:
            ended.wait(30)
        return iter(())

    monkeypatch.setattr(machine.needs._payloads, "names", names)
    monkeypatch.setattr(machine.needs, "_settings", with_lease(machine, 1.2))
    try:
        if hanging == 1:
            machine.beat()
        else:
            with pytest.raises(StoreUnreachable, match="has not answered within 0 seconds"):
                machine.beat()
            machine.beat()
    finally:
        ended.set()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_what_nobody_expects_of_the_store_is_no_answer(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    def names(_directory: Path) -> Iterator[str]:
        raise ZeroDivisionError

    monkeypatch.setattr(machine.needs._payloads, "names", names)
    with pytest.raises(CancelledError):
        machine.beat()
    for thread in threading.enumerate():
        if thread.name == "store-asked":
            thread.join(30)  # it says why, and this test is to hear it


def with_lease(machine: Machine, seconds: float) -> Any:
    node = NODE.model_copy(update={"lease_seconds": seconds})
    return SimpleNamespace(home=machine.home, node=node, daemon=Daemon())


def test_what_a_trial_left_does_not_pass_for_the_next(machine: Machine) -> None:
    (machine.store / "gateway-trial-north-1").write_bytes(b"left")
    machine.removal_error = errno.EROFS
    with pytest.raises(StoreUnreachable):
        machine.beat()
    machine.removal_error = 0
    machine.beat()
    assert left(machine.store) == {MARK}


@pytest.mark.parametrize(("number", "error"), [(errno.EROFS, DiskFailed), (errno.ENOSPC, DiskFull)])
def test_state_that_cannot_be_written(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, number: int, error: type[Exception]
) -> None:
    def fail(*_: object) -> int:
        raise OSError(number, os.strerror(number))

    disk = replace(Disk(), write=fail)
    monkeypatch.setattr(node_needs, "try_writing", lambda path: durable.try_writing(path, disk))
    with pytest.raises(error):
        machine.beat()


def test_state_without_room(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "statvfs", lambda _path: SimpleNamespace(f_bavail=1023, f_frsize=1 << 14))
    with pytest.raises(DiskFull):
        machine.beat()
    monkeypatch.setattr(os, "statvfs", lambda _path: SimpleNamespace(f_bavail=1024, f_frsize=1 << 14))
    machine.beat()


@pytest.mark.parametrize("role", list(Role))
def test_role_that_makes_no_step(machine: Machine, role: Role) -> None:
    for _ in range(24):  # of 70 seconds: 60, and those that it may rest
        machine.beat(role)
    with pytest.raises(RoleStill, match=f"{role} has made no step for 72 seconds"):
        machine.beat(role)
    machine.beat()


def test_role_that_says_that_it_cannot_work(machine: Machine) -> None:
    machine.pulses[Role.INSPECT].put_off(UNABLE, "disk-io")
    with pytest.raises(RoleStill, match="inspect cannot work: disk-io"):
        machine.beat()
    machine.pulses[Role.INSPECT].goes_on(UNABLE)
    machine.pulses[Role.INSPECT].put_off("admit", "disk-io")
    machine.beat()


def test_heartbeat_that_stood_still_itself_says_nothing_of_its_roles(machine: Machine) -> None:
    machine.beat()
    machine.now += 1000.0
    machine.needs.look()
