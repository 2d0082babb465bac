"""The names that delivered files get from their flow's template, and the markers beside them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.ledger.queries import overview
from gateway.settings.flow_settings import DEFAULT_FLOWS, FlowSettings
from gateway.stages.inbound import deliver
from gateway.stages.inbound.collect import Collect
from gateway.stages.inbound.deliver import Deliver
from gateway.stages.inbound.open import Open
from tests.fakes.two_ledgers import Bench, Pair, two_ledgers


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    flow = FlowSettings(inbound_name="{date} {partner} {stem}{ext}", done_marker=True)
    with two_ledgers(tmp_path, {**DEFAULT_FLOWS, "claim": flow}) as made:
        yield made


def inbound(bench: Bench, flow: str = "claim") -> dict[str, bytes]:
    directory = bench.home.inbound / flow / bench.other
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def placed(bench: Bench) -> dict[str, str | None]:
    with bench.ledger.read() as connection:
        return {row.id: row.delivered_name for row in overview.transfers(connection)}


def test_delivered_file_has_the_templates_name_and_its_marker_beside_it(pair: Pair) -> None:
    transfer = pair.dwp.submit("a.xml", b"claim a")
    pair.work()
    name = "2026-11-18 DWP a.xml"
    assert inbound(pair.la) == {name: b"claim a", f"{name}.done": b""}
    assert placed(pair.la) == {transfer: name}
    marker = pair.la.home.inbound / "claim" / "DWP" / f"{name}.done"
    assert marker.stat().st_mode & 0o777 == 0o640


def test_a_flow_without_settings_of_its_own_keeps_the_name_and_has_no_marker(pair: Pair) -> None:
    pair.la.submit("hbE09000030.csv", b"extract", flow="extract")
    pair.work()
    assert inbound(pair.dwp, "extract") == {"hbE09000030.csv": b"extract"}


def test_second_file_of_a_name_gets_a_marker_of_its_own(pair: Pair) -> None:
    pair.dwp.submit("a.xml", b"claim a")
    pair.work()
    second = pair.dwp.submit("a.xml", b"claim b")
    pair.work()
    name = f"2026-11-18 DWP a~{second}.xml"
    assert inbound(pair.la)[name] == b"claim b"
    assert f"{name}.done" in inbound(pair.la)
    assert placed(pair.la)[second] == name


def test_no_file_passes_for_the_marker_of_another(pair: Pair) -> None:
    pair.dwp.submit("a.xml.done", b"claim a")
    pair.work()
    assert inbound(pair.la) == {
        "2026-11-18 DWP a.xml.done_": b"claim a",
        "2026-11-18 DWP a.xml.done_.done": b"",
    }


def test_a_name_that_the_template_makes_too_long_is_shortened(pair: Pair) -> None:
    transfer = pair.dwp.submit("n" * 251 + ".xml", b"claim a")
    pair.work()
    (name,) = (name for name in inbound(pair.la) if not name.endswith(".done"))
    # There is room for the marker, and the name tells which file it is.
    assert name.startswith("2026-11-18 DWP nnn")
    assert name.endswith(f"n~{transfer}.xml")
    assert inbound(pair.la)[f"{name}.done"] == b""


def test_after_a_crash_the_name_is_the_one_that_was_chosen_before_it(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The template has changed, and the file was published: it is found, marked, and not published again."""
    transfer = pair.dwp.submit("a.xml", b"claim a")
    pair.work_alone(pair.dwp)
    stages = pair.stages_of(pair.la)
    for stage in stages:
        if isinstance(stage, Collect | Open):
            stage.step()
    (work,) = [stage for stage in stages if isinstance(stage, Deliver)]
    with monkeypatch.context() as patch:
        patch.setattr(deliver, "mark", _crash)
        with pytest.raises(RuntimeError):
            work.step()
    name = "2026-11-18 DWP a.xml"
    assert inbound(pair.la) == {name: b"claim a"}
    monkeypatch.setitem(pair.la.settings.flows, "claim", FlowSettings(inbound_name="{transfer}", done_marker=True))
    pair.work()
    assert inbound(pair.la) == {name: b"claim a", f"{name}.done": b""}
    assert placed(pair.la) == {transfer: name}


def test_a_file_that_was_taken_before_the_crash_was_noted_gets_no_marker(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.dwp.submit("a.xml", b"claim a")
    pair.work_alone(pair.dwp)
    stages = pair.stages_of(pair.la)
    for stage in stages:
        if isinstance(stage, Collect | Open):
            stage.step()
    (work,) = [stage for stage in stages if isinstance(stage, Deliver)]
    with monkeypatch.context() as patch:
        patch.setattr(deliver, "mark", _crash)
        with pytest.raises(RuntimeError):
            work.step()
    shutil.rmtree(pair.la.home.inbound / "claim" / "DWP")
    (pair.la.home.inbound / "claim" / "DWP").mkdir()
    pair.work()
    assert inbound(pair.la) == {}
    with pair.la.ledger.read() as connection:
        assert [row.state for row in overview.transfers(connection)] == ["delivered"]


def _crash(_paths: Any) -> None:
    raise RuntimeError
