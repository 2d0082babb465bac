"""A node that the ledger has not seen: its SFTP server rests before the others have its lanes, and listens again when it is back."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.daemon import node_there, sshd_supervision
from gateway.daemon.pulse import Pulse
from gateway.daemon.sshd_supervision import Server
from gateway.errors import DiskFailed
from gateway.settings.node import NodeSettings
from gateway.stages import node_seen


def test_what_the_heartbeat_said_is_read_by_the_same_clock_and_nothing_else_is(tmp_path: Path) -> None:
    path = tmp_path / "node-seen"
    assert node_seen.last(path, 100.0) < -1e8
    node_seen.note(path, 90.123456789, 7)
    made = path.stat()
    assert node_seen.last(path, 100.0) == 90.123456789
    node_seen.note(path, 91.0, 8)
    assert (node_seen.last(path, 100.0), node_seen.incarnation(path)) == (91.0, 8)
    assert path.stat().st_ino == made.st_ino  # whoever made it decides who may read it
    assert node_seen.last(path, 50.0) < -1e8, "of a start of the machine before this one"
    with pytest.raises(DiskFailed):
        node_seen.note(path / "missing", 1.0, 1)
    path.write_text("?", encoding="ascii")
    assert (node_seen.last(path, 100.0), node_seen.incarnation(path)) == (-1e9, None)


def test_nothing_was_said_in_a_copy_nor_before_the_machine_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, copy = tmp_path / "node-seen", tmp_path / "copy"
    node_seen.note(path, 90.0, 7)
    shutil.copyfile(path, copy)
    assert (node_seen.last(copy, 100.0), node_seen.incarnation(copy)) == (-1e9, None)
    assert node_seen.incarnation(path) == 7
    started = tmp_path / "boot_id"
    started.write_text("another\n", encoding="ascii")
    monkeypatch.setattr(node_seen, "_START", started)
    assert node_seen.incarnation(path) is None
    started.unlink()
    assert node_seen.incarnation(path) is None
    assert node_seen.last(path, 100.0) == 90.0, "whoever runs sshd may not see when the machine started"


class Listening:
    """sshd, as far as its supervision asks."""

    pid = 1

    def __init__(self, *_: object) -> None:
        pass

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def is_alive(self) -> bool:
        return True


@pytest.mark.parametrize(
    ("name", "said"), [("north-1", ["started", "server.closed", "started", "server.closed"]), ("", ["started"])]
)
def test_the_server_of_a_node_listens_while_the_ledger_sees_the_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, said: list[str]
) -> None:
    """Before that it does not, and says nothing; and it rests when the node is away."""
    now, told, checked = [1000.0], list[str](), list[object]()
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    settings: Any = SimpleNamespace(
        node=NodeSettings(name=name, lease_seconds=10.0),
        home=SimpleNamespace(
            node_seen=tmp_path / "node-seen", logins=tmp_path, shut_out=tmp_path / "shut-out", run=tmp_path
        ),
        sftp_server=SimpleNamespace(managed=True),
        with_suspended=lambda _none: settings,
    )
    why = list[str]()

    def warning(event: str, reason: str) -> None:
        told.append(event)
        why.append(reason)

    log = SimpleNamespace(warning=warning, info=lambda event, **_: told.append(event.removeprefix("server.")))
    spec = SimpleNamespace(accounts=(), host="", port=0)
    secrets = SimpleNamespace(insist=lambda _keys: None, host_key=None, old_host_key=None)
    for what, stands in (
        ("secrets_of", lambda *_: secrets),
        ("server_spec", lambda _settings: spec),
        ("check_server", checked.append),
        ("note_shut_out", lambda *_: None),
        ("noted_suspended", lambda _path: frozenset()),
        ("replace", lambda spec, **_: spec),
        ("logins", lambda _spec: frozenset()),
        ("ManagedServer", Listening),
    ):
        monkeypatch.setattr(sshd_supervision, what, stands)
    server = Server(cast("Any", settings), cast("Any", log))
    monkeypatch.setattr(server, "_look_at_landings", lambda: None)
    server.start()
    assert (told, checked) == (([], [spec]) if name else (["started"], [])), "a fault of its settings is told at once"
    pulse = Pulse(tmp_path, "vault", monotonic=lambda: now[0])
    for passed, seen in (
        (25.0, False),
        (0.0, True),
        (5.0, False),
        (2.0, False),
        (0.0, True),
        (5.0, False),
        (2.0, False),
    ):
        now[0] += passed
        pulse.beat()
        if seen:
            node_seen.note(tmp_path / "node-seen", now[0], 1)
            if "server.closed" not in told:
                pulse.put_off(node_there.STAGE, "store-unreachable")
            else:
                pulse.goes_on(node_there.STAGE)
            pulse.beat()
        server.look_after()
    assert told == said
    assert [each for each in why if "not reached its store for most" in each] == why[:1]
    assert [each for each in why if "its log says why" in each] == why[1:], "nobody says what it was"
