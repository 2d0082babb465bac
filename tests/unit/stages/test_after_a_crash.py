"""What a crash or a power cut between two steps of a stage leaves, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.domain.states import Direction
from gateway.errors import DiskFailed
from gateway.ledger.queries import overview
from gateway.ledger.queries.quarantine import quarantined
from gateway.stages import quarantine
from gateway.stages.context import Stage
from gateway.stages.inbound.collect import Collect
from gateway.stages.outbound.accept import Accept
from tests.fakes.two_ledgers import Bench, Pair, two_ledgers


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path) as made:
        yield made


def stage(pair: Pair, bench: Bench, kind: type[Stage]) -> Stage:
    (found,) = [each for each in pair.stages_of(bench) if isinstance(each, kind)]
    return found


def test_what_is_not_durable_in_the_quarantine_is_not_recorded_and_keeps_its_first_name(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = pair.la
    collect = stage(pair, bench, Collect)
    landing = bench.home.landing_in("DWP")
    landing.mkdir(parents=True, exist_ok=True)
    for name in ("one.txt", "two.txt"):
        (landing / name).write_bytes(b"no consignment")
    asked: list[Path] = []

    def fail(directory: Path) -> None:
        asked.append(directory)
        raise DiskFailed("making a directory durable: Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(quarantine, "fsync_directory", fail)
        assert collect.step().done == 0
    assert asked == [bench.home.quarantine]
    with bench.ledger.read() as connection:
        assert quarantined(connection) == []
    assert len(list((bench.home.sealed_in / "DWP" / "arrivals").iterdir())) == 2
    collect.step()
    with bench.ledger.read() as connection:
        assert len(quarantined(connection)) == 2


def test_a_receipt_that_was_accepted_before_it_lost_its_first_name_leaves_none_behind(pair: Pair) -> None:
    bench = pair.dwp
    bench.submit("a.xml", b"claim a")
    pair.work_alone(bench)
    pair.work_alone(pair.la)
    collect, accept = stage(pair, bench, Collect), stage(pair, bench, Accept)
    collect.step()
    (landed,) = (bench.home.sealed_in / "E09000030").glob("*.receipt.pgp")
    # Killed after the commit: the arrival is still there, and the vault is quicker than the link's next life.
    (landed.parent / "arrivals" / landed.name).hardlink_to(landed)
    for _ in range(2):
        accept.step()
        collect.step()
    assert [path for path in (bench.home.sealed_in / "E09000030").rglob("*") if path.is_file()] == []
    with bench.ledger.read() as connection:
        assert [row.state for row in overview.transfers(connection) if row.direction == Direction.OUT] == ["receipted"]
