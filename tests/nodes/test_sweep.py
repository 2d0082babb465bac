"""Three whole nodes, their database and their store are killed, stopped and cut in an order that a seed draws: nothing is lost, nothing doubled."""

from __future__ import annotations

import os
import random

import pytest

from tests.nodes import promises
from tests.nodes.sweep import running

_SEEDS = range(int(os.environ.get("GATEWAY_SWEEP_SEEDS", "0")))
_PARTNERS = int(os.environ.get("GATEWAY_SWEEP_PARTNERS", "50"))


@pytest.mark.torture
@pytest.mark.timeout(300)
def test_a_node_killed_and_a_node_without_its_store() -> None:
    with running(1, 6, lease=3.0) as sweep:  # so many that each node has some
        sweep.go(["kill -9 of a node", "cut from the store"], 9)
        promises.check(sweep)


@pytest.mark.torture
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", _SEEDS)
def test_all_faults_in_any_order(seed: int) -> None:
    chance = random.Random(seed)
    with running(seed, _PARTNERS, standby=True, clocks_apart=True) as sweep:
        faults = [*sweep.faults, *chance.choices([each for each in sweep.faults if "promoted" not in each], k=7)]
        chance.shuffle(faults)
        sweep.go(faults, 60)
        promises.check(sweep)
