"""kill -9 before and after every operation that decides what survives, in every role, on every kind of trip.

Each test is one process that forks a child for each point (`sweep`). What it holds after each kill: every role starts
again, the trip comes to the end that it has without the kill, and promises I1 to I5 hold.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance import sites
from tests.acceptance.sites import ROOT
from tests.conftest import Tally
from tests.crash.ground import prepared
from tests.crash.trips import TRIPS

PARTS = {
    "claim": 3,
    "mixed": 4,
    "wire": 4,
    "refused": 2,
    "held": 2,
    "triaged": 2,
    "repeated": 2,
    "rubbish": 1,
    "statement": 1,
    "words": 2,
}
RECOVERY_SECONDS = 30.0


def swept(root: Path, trip: str, part: int, parts: int, error: str = "") -> dict[str, Any]:
    with prepared(root, TRIPS[trip].wire) as pair:
        for table, values in TRIPS[trip].settings.items():
            pair[1].edit_config(table, **values)
        told = (str(root), trip, str(part), str(parts), error)
        command = [sys.executable, "-P", "-m", "tests.crash.sweep", *told]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=sites.ENVIRONMENT)
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(found, dict)
    return found


def hold(found: dict[str, Any], tally: Tally) -> None:
    """Count what was tried, and fail for anything that was lost."""
    lost = found["lost"]
    for side, what in (("sender", "crash points, outbound"), ("receiver", "crash points, inbound")):
        tally(what, tried=found["tried"].get(side, 0), lost=sum(line.startswith(side) for line in lost))
    assert lost == []
    tried = sum(found["tried"].values())
    assert tried > 0
    assert found["missed"] <= 3 + tried // 3  # not counted as tried; what a role does last depends on what others do
    assert found["slowest"] < RECOVERY_SECONDS


@pytest.mark.torture
@pytest.mark.timeout(3000)  # a machine that is busy with other things takes ten times as long
@pytest.mark.parametrize(("trip", "part"), [(trip, part) for trip, parts in PARTS.items() for part in range(parts)])
def test_a_role_killed_anywhere_comes_back_and_nothing_is_lost_or_doubled(
    ground: Path, trip: str, part: int, tally: Tally
) -> None:
    hold(swept(ground, trip, part, PARTS[trip]), tally)


@pytest.mark.timeout(1500)
def test_a_role_killed_at_some_points_comes_back_and_nothing_is_lost_or_doubled(ground: Path, tally: Tally) -> None:
    hold(swept(ground, "mixed", 5, 97), tally)
