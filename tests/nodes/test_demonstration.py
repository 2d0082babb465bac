"""`gateway demo --nodes 3 --dir D` leaves three nodes that a person can use, says how, and how to end them."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.demo import postgresql

NAMES = ("north", "south", "west")


def gateway(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-m", "gateway", *map(str, words)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def told(home: str, *words: str) -> Any:
    return json.loads(gateway("--home", home, *words, "--json").stdout)


@pytest.mark.torture
@pytest.mark.timeout(500)
def test_three_nodes_stay_and_are_told_with_their_console(tmp_path: Path) -> None:
    try:
        postgresql.require()
    except postgresql.ServerMissing as error:
        pytest.skip(f"{error.reason} {error.remedy}")
    done = gateway("demo", "--nodes", "3", "--dir", tmp_path / "play")
    ends = re.search(
        r"To stop them: kill ([\d ]+); then PostgreSQL: kill -QUIT (\d+)\nThen remove (\S+) and (\S+)\.", done.stderr
    )
    assert ends is not None, done.stdout + done.stderr
    pids, server = [int(pid) for pid in ends[1].split()], int(ends[2])
    try:
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(pids) == 5
        homes = dict(
            re.findall(
                r"(?m)^  (\w+)(?:, which serves the console)?, process \d+: gateway --home (\S+) nodes$", done.stderr
            )
        )
        assert tuple(homes) == NAMES
        for home in homes.values():
            found = told(home, "nodes")["nodes"]
            assert {node["name"]: node["state"] for node in found} == dict.fromkeys(NAMES, "up")
            assert {node["name"] for node in told(home, "status")["nodes"]} == set(NAMES)
        (serves,) = re.findall(r"(?m)^  (\w+), which serves the console,", done.stderr)
        assert [node["name"] for node in found if node["console"]] == [serves]
        links = re.findall(r"(?m)^  demo-operator +operator +(http://\S+)$", done.stderr)
        assert len(links) == 3  # of the Department and two authorities
        for link in links:
            with urllib.request.urlopen(link) as page:  # noqa: S310 - on this machine
                assert (page.status, b"password" in page.read()) == (200, True)
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
        until = time.monotonic() + 60
        while any(lives(pid) for pid in pids) and time.monotonic() < until:
            time.sleep(0.1)
        with suppress(ProcessLookupError):
            os.kill(server, signal.SIGQUIT)
        while lives(server) and time.monotonic() < until:
            time.sleep(0.1)
        shutil.rmtree(ends[4])
    assert not any(map(lives, (*pids, server)))


def lives(pid: int) -> bool:
    """Whether it is there and has not merely to be taken note of."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text("ascii")
    except OSError:
        return False
