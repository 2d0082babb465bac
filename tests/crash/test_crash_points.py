"""kill -9 before and after every operation that decides what survives, in every role, on every kind of trip.

Each test is one process that forks a child for each point (`sweep`). What it holds after each kill: every role starts
again, the trip comes to the end that it has without the kill, and promises I1 to I5 hold.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.daemon.supervisor import _server_spec
from gateway.settings.read import load
from gateway.transport.sshd import ManagedServer
from tests.acceptance import sites
from tests.acceptance.copies import copied_pair
from tests.acceptance.sites import ROOT, Site
from tests.conftest import Tally
from tests.crash.trips import TRIPS

PARTS = {"claim": 3, "mixed": 3, "wire": 3, "refused": 3, "held": 3, "repeated": 1, "rubbish": 1, "words": 2}
RECOVERY_SECONDS = 30.0


@contextmanager
def prepared(founded: Path, root: Path, trip: str) -> Iterator[None]:
    """Both sites as the trip wants them, with their servers where it goes over the wire."""
    with copied_pair(founded, root) as pair, ExitStack() as stack:
        for site, other in (pair, pair[::-1]):
            for flow in ("claim", "laid", "extract"):
                site.edit_config(f"flows.{flow}", settle_seconds=0.05)
            if TRIPS[trip].wire == "folder":
                _carried_by_hand(site, other)
        for table, values in TRIPS[trip].settings.items():
            pair[1].edit_config(table, **values)
        if TRIPS[trip].wire == "sftp":
            for site in pair:
                server = ManagedServer(_server_spec(load(site.home)))
                server.start()
                stack.callback(server.stop)
        yield


def _carried_by_hand(site: Site, other: Site) -> None:
    path = site.home.partners_d / f"{other.code}.toml"
    path.write_text(path.read_text(encoding="utf-8").replace('link = "push"', 'link = "none"'), encoding="utf-8")


def swept(founded: Path, root: Path, trip: str, part: int, parts: int, every: int = 1) -> dict[str, Any]:
    with prepared(founded, root, trip):
        command = [sys.executable, "-P", "-m", "tests.crash.sweep", str(root), trip, str(part), str(parts), str(every)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=sites.ENVIRONMENT)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(found, dict)
    return found


def hold(found: dict[str, Any], tally: Tally) -> None:
    """Count what was tried, and fail for anything that was lost."""
    lost = found["lost"]
    tally("crash points, outbound", tried=found["tried"].get("sender", 0), lost=len(lost))
    tally("crash points, inbound", tried=found["tried"].get("receiver", 0), lost=0)
    assert lost == []
    assert found["tried"]
    assert found["slowest"] < RECOVERY_SECONDS


@pytest.mark.torture
@pytest.mark.timeout(1200)
@pytest.mark.parametrize(("trip", "part"), [(trip, part) for trip, parts in PARTS.items() for part in range(parts)])
def test_a_role_killed_anywhere_comes_back_and_nothing_is_lost_or_doubled(
    founded: Path, ground: Path, trip: str, part: int, tally: Tally
) -> None:
    hold(swept(founded, ground, trip, part, PARTS[trip]), tally)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("trip", ["claim", "mixed", "words"])
def test_a_role_killed_at_some_points_comes_back_and_nothing_is_lost_or_doubled(
    founded: Path, ground: Path, trip: str, tally: Tally
) -> None:
    hold(swept(founded, ground, trip, 5, 37), tally)
