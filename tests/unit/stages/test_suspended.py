"""What a partner sent before it was suspended, and is opened already, is not delivered before it is resumed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.settings.model import Stopped
from gateway.stages.inbound.deliver import Deliver
from tests.fakes.two_ledgers import PRETENDED, Pair, two_ledgers


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path) as pair:
        yield pair


def test_what_is_opened_already_waits_while_its_sender_is_suspended(pair: Pair) -> None:
    pair.dwp.submit("0.xml", b"claim")
    pair.work_alone(pair.dwp)
    while sum(stage.step().done for stage in pair.stages_of(pair.la) if stage.name != "deliver"):
        pass
    context = pair.la.context
    partner = context.settings.partners["DWP"].model_copy(update={"suspended": "their incident"})
    resting = replace(context.settings, partners={}, stopped={"DWP": Stopped((), partner)})
    suspended = Deliver(replace(context, settings=resting), PRETENDED)
    assert suspended.step().done == 0
    assert not list((pair.la.home.inbound / "claim" / "DWP").iterdir())
    assert Deliver(context, PRETENDED).step().done == 1
    assert [path.name for path in (pair.la.home.inbound / "claim" / "DWP").iterdir()] == ["0.xml"]
