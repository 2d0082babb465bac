"""Exports: days that follow each other hold every row, and what changed later is named, not left out."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from gateway.administration.evidence.contents import Made
from gateway.administration.evidence.period import export
from gateway.domain.decision import Decision
from gateway.domain.incidents import FormKind
from gateway.errors import ChainBroken, NotFound, UsageWrong
from gateway.ledger import incidents, people
from tests.acceptance.evidence_forgery import MANIFEST, Members, members_of
from tests.fakes.two_ledgers import Bench, Pair
from tests.unit.administration.evidence.conftest import Verify
from tests.unit.administration.evidence.conftest import lied as signed_again

DAY = 86_400.0


def day_of(bench: Bench) -> date:
    return datetime.fromtimestamp(bench.now, UTC).date()


def made(bench: Bench, start: date, end: date, out: Path) -> tuple[Made, dict[str, Any], set[tuple[str, int]]]:
    """The export, its manifest, and its rows."""
    done = export(bench.settings, start, end, out, bench.now + DAY, lambda _what, _count: None)
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
    assert manifest["period"] == [str(first_day)] * 2
    assert ("transfers", 1) in before
    assert not before & {("transfers", 2), ("lanes", "E09000030")}
    said = verify(tmp_path / "1.zip")
    told = [re.search(r"; (\d+) changed after the period|: what (\d+) rows of the period say", line) for line in said]
    assert sum(int(found[1] or found[2]) for found in told if found) == 2
    _, _, after = made(pair.dwp, second_day, second_day, tmp_path / "2.zip")
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
    assert manifest["period"] == [str(first_day)] * 2
    assert done.confirmed == done.last_event
    said = verify(tmp_path / "1.zip")
    assert not any("NOT SHOWN: events" in line or "is the last event of" in line for line in said)


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
        made(pair.dwp, day - timedelta(days=2), day - timedelta(days=1), tmp_path / "1.zip")
    with pytest.raises(UsageWrong, match="first day"):
        made(pair.dwp, day, day - timedelta(days=1), tmp_path / "1.zip")
    with pytest.raises(UsageWrong, match="has to have ended"):
        made(pair.dwp, day, day + timedelta(days=1), tmp_path / "1.zip")


def test_rows_about_the_people_of_a_site_stay_there_and_the_export_says_so(
    pair: Pair, tmp_path: Path, verify: Verify
) -> None:
    pair.dwp.submit("a.xml", b"one")
    pair.work()
    with pair.dwp.ledger.write() as transaction:
        people.add(transaction, "hb1", "Invented", "Assessment", (), None, None, Decision("tester", "joins"))
        incidents.fill_in(transaction, "f", FormKind.DATA_QUERY, "hb1", {"case": "QQ 12 34 56 C"})
    pair.work()
    day = day_of(pair.dwp)
    done, _, rows = made(pair.dwp, day, day, tmp_path / "1.zip")
    assert {table for table, _ in rows} & {"people", "forms"} == set()
    assert ("transfers", 1) in rows
    assert "Rows about the people of this site are not in here: 1 of forms, 1 of people." in done.missing
    assert any("what 2 rows of the period say" in line for line in verify(tmp_path / "1.zip"))
    with zipfile.ZipFile(tmp_path / "1.zip") as archive:
        held = b"".join(archive.read(name) for name in archive.namelist())
    assert b"Invented" not in held
    assert b"QQ 12" not in held


# -- what a site that lies signs anew


@pytest.fixture
def middle(pair: Pair, tmp_path: Path) -> Members:
    """An export of the second of three days."""
    for number in range(3):
        pair.dwp.submit(f"{number}.xml", b"%d" % number)
        pair.work()
        if number == 1:
            day = day_of(pair.dwp)
        pair.dwp.now += DAY
        pair.la.now += DAY
    made(pair.dwp, day, day, tmp_path / "true.zip")
    return members_of((tmp_path / "true.zip").read_bytes())


def lied(members: Members, changes: Mapping[str, bytes], **manifest: Any) -> Callable[[Path], Path]:
    """The members with others in their place, and the manifest changed, as a file that the site signed."""
    told = json.loads(dict(members)[MANIFEST]) | manifest
    changed = {**changes, MANIFEST: json.dumps(told).encode()}
    content = signed_again([(name, changed.get(name, held)) for name, held in members])

    def written(directory: Path) -> Path:
        (directory / "lie.zip").write_bytes(content)
        return directory / "lie.zip"

    return written


def test_a_true_period_is_told_with_its_days_and_ends_before_an_event_from_after_it(
    middle: Members, tmp_path: Path, verify: Verify
) -> None:
    start, end = json.loads(dict(middle)[MANIFEST])["period"]
    said = verify(lied(middle, {})(tmp_path))
    events = [json.loads(line) for line in dict(middle)["events/00001.jsonl"].splitlines()]
    within = [event[0] for event in events if start <= event[1][:10] <= end]
    assert f"Events {within[0]} to {within[-1]} are those of {start} to {end} (UTC)." in said
    assert not any("is the last event of" in each for each in said)


def test_a_row_that_is_left_out_is_not_shown_to_have_changed_later(
    middle: Members, tmp_path: Path, verify: Verify
) -> None:
    rows = dict(middle)["rows/00001.jsonl"].splitlines(keepends=True)
    (hidden,) = [row for row in rows if json.loads(row)["table"] == "transfers"]
    key = str(json.loads(hidden)["plain"][0][1])
    lie = lied(middle, {"rows/00001.jsonl": b"".join(row for row in rows if row != hidden)})
    said = verify(lie(tmp_path))
    (told,) = [each for each in said if each.startswith("NOT SHOWN: what") and "rows of the period say" in each]
    assert f"{key} of transfers" in told


def test_events_and_days_are_those_of_the_period(middle: Members, tmp_path: Path, verify: Verify) -> None:
    events = dict(middle)["events/00001.jsonl"].splitlines(keepends=True)
    manifest = json.loads(dict(middle)[MANIFEST])
    (first, last), (day, _) = manifest["events"], manifest["period"]
    before, after = (str(date.fromisoformat(day) + timedelta(days=days)) for days in (-1, 1))
    without = {"events/00001.jsonl": b"".join(events[1:])}
    for lie in (
        lied(middle, {}, period=(before, day)),
        lied(middle, {}, period=(before, before)),
        lied(middle, without, events=(first + 1, last)),
    ):
        with pytest.raises(ValueError, match="the events are not those of"):
            verify(lie(tmp_path))
    said = verify(lied(middle, {}, period=(day, after))(tmp_path))
    assert any("NOT SHOWN: what" in each and "rows of the period say" in each for each in said)
    assert any(f"is the last event of {day} to {after}" in each for each in said)
    with pytest.raises(ValueError, match="had ended, which no gateway does"):
        verify(lied(middle, {}, made=f"{day}T23:59:59.000Z")(tmp_path))


def test_a_period_with_nothing_after_it_is_not_shown_to_be_whole(pair: Pair, tmp_path: Path, verify: Verify) -> None:
    pair.dwp.submit("a.xml", b"one")
    pair.work()
    day = day_of(pair.dwp)
    made(pair.dwp, day, day, tmp_path / "1.zip")
    assert any(
        each.startswith("NOT SHOWN: that") and "is the last event of" in each for each in verify(tmp_path / "1.zip")
    )
