"""Roles forked from one process: each is its own process under its own name, and none keeps anything of another's."""

from __future__ import annotations

import itertools
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.daemon.fork_server import Ended, ForkServer
from gateway.errors import SiteMissing
from gateway.settings.home import Home
from gateway.stages.itinerary import Role

SECONDS = 60.0


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ForkServer]:
    """A fork server of a site whose table of authorities is a pipe: its roles wait there, and do nothing, until they are told."""
    home = Home(tmp_path)
    home.gateway_toml.parent.mkdir()
    home.gateway_toml.touch()
    os.mkfifo(home.authorities)
    server = ForkServer(tmp_path)
    try:
        yield server
    finally:
        server.close()
        with suppress(OSError):  # nobody waits there any more
            os.close(os.open(home.authorities, os.O_WRONLY | os.O_NONBLOCK))


def children(parent: int) -> list[int]:
    return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii").split()]


def words(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/cmdline").read_bytes().decode().rstrip("\0").split("\0")


def until(look: Callable[[], int | None]) -> int:
    deadline = time.monotonic() + SECONDS
    while (found := look()) is None:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return found


def server_process(home: Path) -> int:
    return until(
        lambda: next(
            (p for p in children(os.getpid()) if str(home) in words(p) and "--as-fork-server" in words(p)), None
        )
    )


def process_of(role: Role, parent: int) -> int:
    return until(lambda: next((pid for pid in children(parent) if role in words(pid)), None))


def test_roles_show_the_command_line_that_they_would_have_if_they_were_started_alone(
    server: ForkServer, tmp_path: Path
) -> None:
    for role in Role:
        server.start(role)
    parent = server_process(tmp_path)
    for role in Role:
        command = words(process_of(role, parent))
        assert command[1:] == [
            *("-P", "-m", "gateway", "--home", str(tmp_path), "run"),
            *("--role", role, "--supervised-by", str(os.getpid())),
        ]


def test_a_role_has_no_descriptor_of_the_server_or_of_the_supervisor(server: ForkServer, tmp_path: Path) -> None:
    ours = os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR)
    os.set_inheritable(ours, True)
    for role in (Role.VAULT, Role.LINK):
        server.start(role)
    parent = server_process(tmp_path)
    pid = process_of(Role.LINK, parent)
    open_files = {entry.name: str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()}
    os.close(ours)
    assert open_files.pop("0") == os.devnull
    assert set(open_files) <= {"1", "2"} | {name for name, path in open_files.items() if path.startswith(str(tmp_path))}


def test_how_a_role_ended_is_told_once_and_it_is_forked_again_from_the_same_server(
    server: ForkServer, tmp_path: Path
) -> None:
    server.start(Role.VAULT)
    parent = server_process(tmp_path)
    first = process_of(Role.VAULT, parent)
    assert server.ended(Role.VAULT) is None
    server.signal(Role.VAULT, signal.SIGTERM)
    assert server.ended(Role.VAULT, SECONDS) == Ended("vault ended", -signal.SIGTERM)
    assert server.ended(Role.VAULT) is None
    server.start(Role.VAULT)
    assert process_of(Role.VAULT, parent) != first


def test_an_error_of_a_role_is_its_exit_status(tmp_path: Path) -> None:
    server = ForkServer(tmp_path)
    server.start(Role.LINK)
    assert server.ended(Role.LINK, SECONDS) == Ended("link ended", SiteMissing.exit_status)
    server.close()


def test_a_server_that_was_killed_is_told_of_as_the_end_of_its_roles_and_another_is_started(
    server: ForkServer, tmp_path: Path
) -> None:
    server.start(Role.INSPECT)
    parent = server_process(tmp_path)
    process_of(Role.INSPECT, parent)
    os.kill(parent, signal.SIGKILL)
    ended = server.ended(Role.INSPECT, SECONDS)
    assert ended is not None
    assert ended.status is None
    server.start(Role.INSPECT)
    assert process_of(Role.INSPECT, server_process(tmp_path)) != parent


def test_a_server_that_hangs_is_killed_and_its_roles_end_with_it(server: ForkServer, tmp_path: Path) -> None:
    server.start(Role.INSPECT)
    parent = server_process(tmp_path)
    process_of(Role.INSPECT, parent)
    os.kill(parent, signal.SIGSTOP)
    server.signal(Role.INSPECT, signal.SIGKILL)
    assert server.ended(Role.INSPECT, 0.2) is None
    server.kill()
    ended = server.ended(Role.INSPECT)
    assert ended is not None
    assert "did not answer" in ended.reason
    assert not Path(f"/proc/{parent}").exists()


def test_a_server_that_hangs_while_it_runs_is_noticed_and_another_one_forks_the_role_again(
    server: ForkServer, tmp_path: Path
) -> None:
    server.start(Role.INSPECT)
    parent = server_process(tmp_path)
    process_of(Role.INSPECT, parent)
    moments = itertools.count(1000.0, 0.5)
    for _ in range(200):  # asked again and again, and it answers: a long time goes by
        server.look_after(next(moments))
        assert server._silent is None or server._listen(SECONDS)
    assert server.ended(Role.INSPECT) is None
    os.kill(parent, signal.SIGSTOP)
    server.look_after(next(moments) + 10_000)
    for _ in range(20):
        server.look_after(next(moments) + 10_000)
    assert server.ended(Role.INSPECT) is None, "the supervisor had been stopped itself: that is no silence"
    for _ in range(200):
        server.look_after(next(moments) + 10_000)
    ended = server.ended(Role.INSPECT)
    assert ended is not None
    assert (ended.status, "did not answer" in ended.reason) == (None, True)
    assert not Path(f"/proc/{parent}").exists()
    server.start(Role.INSPECT)
    assert process_of(Role.INSPECT, server_process(tmp_path)) != parent


def test_the_server_does_not_end_by_a_signal_for_its_whole_group_but_with_its_supervisor(
    server: ForkServer, tmp_path: Path
) -> None:
    server.start(Role.VAULT)
    parent = server_process(tmp_path)
    process_of(Role.VAULT, parent)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        os.kill(parent, number)
    server.signal(Role.VAULT, signal.SIGKILL)
    assert server.ended(Role.VAULT, SECONDS) == Ended("vault ended", -signal.SIGKILL)
    server.close()
    assert not Path(f"/proc/{parent}").exists()
