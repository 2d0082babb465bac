"""A node that the ledger has not seen: its SFTP server rests before the others have its lanes, and listens again when it is back."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from gateway.daemon import node_there
from gateway.daemon.pulse import Pulse
from gateway.daemon.sshd_supervision import Server
from gateway.settings.node import NodeSettings


def test_what_the_heartbeat_said_is_read_by_the_same_clock_and_nothing_else_is(tmp_path: Path) -> None:
    path = tmp_path / "node-seen"
    assert node_there.last(path, 100.0) < -1e8
    node_there.note(path, 90.123456789)
    made = path.stat()
    assert node_there.last(path, 100.0) == 90.123456789
    node_there.note(path, 91.0)
    assert node_there.last(path, 100.0) == 91.0
    assert path.stat().st_ino == made.st_ino  # whoever made it decides who may read it
    assert node_there.last(path, 50.0) < -1e8, "of a start of the machine before this one"
    path.write_text("?", encoding="ascii")
    assert node_there.last(path, 100.0) < -1e8
    node_there.note(path / "missing", 1.0)  # nothing is raised


class Listening:
    """sshd, as far as its supervision asks."""

    def stop(self) -> None:
        pass

    def is_alive(self) -> bool:
        return True


@pytest.mark.parametrize(("name", "rests"), [("north-1", True), ("", False)])
def test_the_server_of_a_node_that_is_away_rests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, *, rests: bool
) -> None:
    now, said = [1000.0], list[str]()
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    settings: Any = SimpleNamespace(
        node=NodeSettings(name=name, lease_seconds=10.0),
        home=SimpleNamespace(node_seen=tmp_path / "node-seen", run=tmp_path),
        sftp_server=SimpleNamespace(managed=True),
        with_suspended=lambda _none: settings,
    )
    why = list[str]()

    def warning(event: str, reason: str) -> None:
        said.append(event)
        why.append(reason)

    log = SimpleNamespace(warning=warning, error=lambda event, **_: said.append(event))
    server = Server(cast("Any", settings), cast("Any", log))

    def start() -> None:
        said.append("start")
        server._server = cast("Any", Listening())

    monkeypatch.setattr(server, "start", start)
    monkeypatch.setattr(server, "_look_at_landings", lambda: None)
    start()
    pulse = Pulse(tmp_path, "vault", monotonic=lambda: now[0])
    pulse.put_off(node_there.STAGE, "store-unreachable")
    for passed, seen in ((5.0, False), (4.0, False), (2.0, False), (0.0, True), (5.0, False), (2.0, False)):
        now[0] += passed
        pulse.beat()
        if seen:
            node_there.note(tmp_path / "node-seen", now[0])
            pulse.goes_on(node_there.STAGE)
        server.look_after()
    assert said == (["start", "server.closed", "start", "server.closed"] if rests else ["start"])
    assert [each for each in why if "not reached its store for most" in each] == (why[:1] if rests else [])
    assert [each for each in why if "its log says why" in each] == (why[1:] if rests else []), "nobody says what it was"
