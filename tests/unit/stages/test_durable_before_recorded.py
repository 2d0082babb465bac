"""What a row speaks of is durable before the row is, and what a row forgets is durably gone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.errors import DiskFailed
from gateway.ledger import queries
from gateway.stages import locking_away
from gateway.stages.collect import Collect
from tests.fakes.two_ledgers import Pair, two_ledgers


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path) as made:
        yield made


def test_what_is_not_durable_in_the_quarantine_is_not_recorded_and_keeps_its_first_name(
    pair: Pair, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = pair.la
    (collect,) = [stage for stage in pair.stages_of(bench) if isinstance(stage, Collect)]
    landing = bench.home.landing_in("DWP")
    landing.mkdir(parents=True, exist_ok=True)
    for name in ("one.txt", "two.txt"):
        (landing / name).write_bytes(b"no consignment")
    asked: list[Path] = []

    def fail(directory: Path) -> None:
        asked.append(directory)
        raise DiskFailed("making a directory durable: Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(locking_away, "fsync_directory", fail)
        assert collect.step().done == 0
    assert asked == [bench.home.quarantine]
    with bench.ledger.read() as connection:
        assert queries.quarantined(connection) == []
    assert len(list((bench.home.sealed_in / "DWP" / "arrivals").iterdir())) == 2
    collect.step()
    with bench.ledger.read() as connection:
        assert len(queries.quarantined(connection)) == 2
