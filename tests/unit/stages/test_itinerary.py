"""The itinerary is what the roles do: assembly builds its stages, in its order, and results wake other roles only."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gateway.assembly import roles
from gateway.spool.stability import Stability
from gateway.stages.context import Stage
from gateway.stages.itinerary import ITINERARY, WAKES, Role, stages_of
from tests.fakes.two_ledgers import PRETENDED, two_ledgers


@pytest.fixture
def built(tmp_path: Path) -> Iterator[dict[Role, list[str]]]:
    """The names of the stages that assembly makes for each role."""
    with two_ledgers(tmp_path) as pair, ExitStack() as stack:
        context = pair.dwp.context
        stages: dict[Role, list[Stage]] = {
            Role.INSPECT: [*roles.inspect_stages(context, PRETENDED, Stability(_clock), Stability(_clock))],
            Role.VAULT: [*roles.vault_stages(context, _nobody)],
            Role.LINK: [*roles.link_stages(context, _nobody)],
        }
        for stage in (stage for each in stages.values() for stage in each):
            stack.callback(stage.close)
        yield {role: [stage.name for stage in each] for role, each in stages.items()}


def _clock() -> float:
    return 0.0


def _nobody() -> None:
    pass


def test_each_role_has_the_stages_of_the_itinerary_in_its_order(built: dict[Role, list[str]]) -> None:
    assert built == {role: stages_of(role) for role in Role}


def test_a_stage_has_a_name_of_its_own_and_never_wakes_its_own_role() -> None:
    assert len(WAKES) == len(ITINERARY)
    assert [leg for leg in ITINERARY if leg.role in leg.wakes] == []
