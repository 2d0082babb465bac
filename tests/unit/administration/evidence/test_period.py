"""Exports: days that follow each other hold every row, and what changed later is named, not left out."""

from __future__ import annotations

import json
import zipfile
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.administration.evidence.contents import Made
from gateway.administration.evidence.period import export
from gateway.errors import ChainBroken, NotFound, UsageWrong
from tests.fakes.two_ledgers import Bench, Pair
from tests.unit.administration.evidence.conftest import Verify

DAY = 86_400.0


def day_of(bench: Bench) -> date:
    return datetime.fromtimestamp(bench.now, UTC).date()


def made(bench: Bench, start: date, end: date, out: Path) -> tuple[Made, dict[str, Any], set[tuple[str, int]]]:
    """The export, its manifest, and its rows."""
    done = export(bench.settings, start, end, out, bench.now, lambda _what, _count: None)
    with zipfile.ZipFile(out) as archive:
        manifest = json.loads(archive.read("manifest.json"))
        lines = [
            line for name in archive.namelist() if name.startswith("rows/") for line in archive.read(name).splitlines()
        ]
    rows = [json.loads(line) for line in lines]
    return done, manifest, {(row["table"], row["plain"][0][1]) for row in rows}


def test_two_days_hold_every_row_once_and_the_first_names_what_changed_later(
    pair: Pair, tmp_path: Path, verify: Verify
) -> None:
    first_day = day_of(pair.dwp)
    pair.dwp.submit("a.xml", b"one")
    pair.work()
    pair.dwp.submit("waits.xml", b"two")
    pair.dwp.now += DAY
    pair.la.now += DAY
    pair.work()
    second_day = day_of(pair.dwp)
    _, manifest, before = made(pair.dwp, first_day, first_day, tmp_path / "1.zip")
    assert manifest["changed_later"] == {"transfers": ["2"], "lanes": ["E09000030"]}
    assert ("transfers", 1) in before
    assert any(line.startswith("NOT IN HERE: 2 rows that changed after") for line in verify(tmp_path / "1.zip"))
    _, manifest, after = made(pair.dwp, second_day, second_day, tmp_path / "2.zip")
    assert manifest["changed_later"] == {}
    verify(tmp_path / "2.zip")
    _, _, both = made(pair.dwp, first_day, second_day, tmp_path / "both.zip")
    assert both == before | after
    assert not before & after
    assert len(verify(tmp_path / "both.zip")) > 5


def test_the_events_of_a_period_go_on_to_what_a_partner_confirms(pair: Pair, tmp_path: Path, verify: Verify) -> None:
    first_day = day_of(pair.dwp)
    pair.dwp.submit("a.xml", b"one")
    pair.work()
    pair.dwp.now += DAY
    pair.la.now += DAY
    for name in ("b.xml", "c.xml"):
        pair.dwp.submit(name, name.encode())
        pair.work()
    done, manifest, _ = made(pair.dwp, first_day, first_day, tmp_path / "1.zip")
    assert done.by == "E09000030"
    assert manifest["period"]["last"] < done.confirmed == done.last_event
    assert not any("NOT SHOWN by anybody" in line for line in verify(tmp_path / "1.zip"))


def test_a_row_that_changed_without_the_chain_is_no_row_that_changed_later(pair: Pair, tmp_path: Path) -> None:
    pair.dwp.submit("a.xml", b"one")
    pair.work()
    pair.dwp.sql("UPDATE consignments SET items = 2")
    day = day_of(pair.dwp)
    with pytest.raises(ChainBroken, match="row 1 of consignments is not what the chain says of it"):
        made(pair.dwp, day, day, tmp_path / "1.zip")
    assert not list(tmp_path.glob("*.zip"))


def test_days_without_events_and_days_the_wrong_way_round_are_refused(pair: Pair, tmp_path: Path) -> None:
    pair.dwp.submit("a.xml", b"one")
    day = day_of(pair.dwp)
    with pytest.raises(NotFound, match="nothing was recorded"):
        made(pair.dwp, day + timedelta(days=1), day + timedelta(days=2), tmp_path / "1.zip")
    with pytest.raises(UsageWrong, match="first day"):
        made(pair.dwp, day, day - timedelta(days=1), tmp_path / "1.zip")
