"""The power goes at one site while files travel both ways; the other site stays as it was. Nothing is lost or doubled."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance import sites
from tests.acceptance.sites import ROOT
from tests.conftest import Tally
from tests.crash.ground import prepared
from tests.crash.image import let_go
from tests.crash.power_cut import IMPOSSIBLE

SEEDS = 200
PARTS = 8
OVERDUE_HOURS = 0.0003
"""A second or so: what was on its way in the moment of the cut is sent again soon."""
RECOVERY_SECONDS = 30.0


def cut(root: Path, first: int, count: int, tally: Tally) -> None:
    with prepared(root, "folder") as pair:
        for site in pair:
            site.edit_config("limits", min_free_bytes=1)
            site.edit_config("link", receipt_overdue_hours=OVERDUE_HOURS, retry_base_seconds=0.2, retry_cap_seconds=1.0)
        command = [sys.executable, "-P", "-m", "tests.crash.power_cut", str(root), str(first), str(count)]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=sites.ENVIRONMENT)
        finally:
            let_go(root)
    if done.returncode == IMPOSSIBLE:
        pytest.skip(done.stderr.strip())
    assert done.returncode == 0, done.stderr[-3000:]
    found = json.loads(done.stdout.splitlines()[-1])
    outlived = sum("outlives True" in line for line in found["lost"])
    tally("power cuts", tried=found["tried"] - found["outlived"], lost=len(found["lost"]) - outlived)
    tally("disks that fail under a running site", tried=found["outlived"], lost=outlived)
    assert found["lost"] == []
    assert found["tried"] == count
    assert found["slowest"] < RECOVERY_SECONDS


@pytest.mark.torture
@pytest.mark.timeout(3000)  # a machine that is busy with other things takes ten times as long
@pytest.mark.parametrize("part", range(PARTS))
def test_a_site_that_loses_its_power_comes_back_and_nothing_is_lost_or_doubled(
    ground: Path, part: int, tally: Tally
) -> None:
    count = SEEDS // PARTS
    cut(ground, 1000 + part * count, count, tally)


@pytest.mark.timeout(1500)
def test_a_site_that_loses_its_power_twice_comes_back_and_nothing_is_lost_or_doubled(
    ground: Path, tally: Tally
) -> None:
    cut(ground, 1, 2, tally)
