"""Ports that a process keeps itself to, tried in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.linux import landlock

ROOT = Path(__file__).parents[3]

needs_ports = pytest.mark.skipif(landlock._version() < landlock._KNOWS_PORTS, reason="takes Linux 6.7 with Landlock")

_TRIAL = """
import socket, subprocess, sys
from gateway.linux.landlock import confine_connections

def can(action):
    try:
        action()
    except PermissionError:
        return False
    return True

with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
    ports = [each.getsockname()[1] for each in (one, other)]
    print(confine_connections(ports[:1]))
    print([can(lambda: socket.create_connection(("127.0.0.1", port)).close()) for port in ports])
    print(can(lambda: socket.create_server(("127.0.0.1", 0)).close()))
    child = "import socket; socket.create_connection(('127.0.0.1', int(__import__('sys').argv[1])))"
    said = [subprocess.run([sys.executable, "-c", child, str(port)], capture_output=True) for port in ports]
    print([b"PermissionError" in each.stderr for each in said])
"""


@needs_ports
def test_after_confinement_connections_go_to_the_named_ports_alone() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _TRIAL],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["True", "[True, False]", "False", "[False, True]"]


def test_a_kernel_that_knows_no_rules_for_ports_is_told_and_nothing_is_confined(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(landlock, "_version", lambda: landlock._KNOWS_PORTS - 1)
    assert not landlock.confine_connections([1])
