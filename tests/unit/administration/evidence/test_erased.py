"""Evidence of a transfer whose names were erased: the chain still proves the row, and the partner's receipt that it arrived."""

from __future__ import annotations

import io
import time
from datetime import date
from pathlib import Path

import pytest

from gateway.administration.evidence import bundle
from gateway.administration.evidence.period import export
from gateway.administration.retention import certificate
from gateway.administration.retention.disposal import dispose
from gateway.administration.views.story import story
from gateway.domain.decision import Decision
from gateway.logs import configure
from tests.fakes.two_ledgers import Bench, Pair, PretendedPgp
from tests.unit.administration.evidence.conftest import Verify

MONTH = 31 * 86_400.0
NAME = "Qanary.xml"


def erase(bench: Bench, months: int) -> None:
    log = configure(bench.code, "command", stream=io.BytesIO(), format="json", level="error")
    dispose(bench.settings, log, Decision("somebody", "its time is over"), lambda: time.time() + months * MONTH)


def test_evidence_of_an_erased_transfer_holds_and_is_no_longer_than_before(
    pair: Pair, tmp_path: Path, verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificate, "open_pgp", lambda settings: PretendedPgp(settings.site.code))
    identity = pair.dwp.submit(NAME, b"content")
    pair.work()
    for number in range(3):
        pair.dwp.submit(f"{number}.xml", str(number).encode())
        pair.work()
    before = bundle.make(pair.dwp.settings, identity, tmp_path / "before.zip", pair.dwp.now)
    assert NAME.encode() in (tmp_path / "before.zip").read_bytes()
    erase(pair.dwp, 15)
    after = bundle.make(pair.dwp.settings, identity, tmp_path / "after.zip", pair.dwp.now)
    content = (tmp_path / "after.zip").read_bytes()
    assert NAME.encode() not in content
    assert b"erased:" in content
    assert (after.first_event, after.last_event, after.by) == (before.first_event, before.last_event, before.by)
    said = verify(tmp_path / "after.zip")
    assert any("delivered, SHA-256" in line for line in said)
    shown = [line for line in verify(tmp_path / "before.zip") if line.startswith("NOT SHOWN")]
    erased = "NOT SHOWN: what 1 rows said of people, in words and names. It was erased, as DWP says"
    assert sorted(line for line in said if line.startswith("NOT SHOWN")) == sorted([*shown, erased])
    with pair.dwp.ledger.read() as connection:
        told = story(pair.dwp.settings, connection, identity, pair.dwp.now)
    assert told.erased is not None
    assert [event.event for event in told.events][-1] == "transfer.erased"


def test_without_the_receipt_it_says_that_the_partners_word_is_not_shown(
    pair: Pair, tmp_path: Path, verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificate, "open_pgp", lambda settings: PretendedPgp(settings.site.code))
    identity = pair.dwp.submit(NAME, b"content")
    pair.work()
    pair.dwp.submit("b.xml", b"more")
    pair.work()
    erase(pair.dwp, 80)
    assert not [*pair.dwp.home.evidence.glob("E09000030/*")]
    made = bundle.make(pair.dwp.settings, identity, tmp_path / "out.zip", pair.dwp.now)
    assert any("its time was over" in line for line in made.missing)
    assert any(line.startswith("NOT SHOWN: E09000030's own word") for line in verify(tmp_path / "out.zip"))


def test_an_export_of_the_days_of_erasing_holds(
    pair: Pair, tmp_path: Path, verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(certificate, "open_pgp", lambda settings: PretendedPgp(settings.site.code))
    pair.dwp.now = pair.la.now = time.time()
    pair.dwp.submit(NAME, b"content")
    pair.work()
    erase(pair.dwp, 80)
    export(
        pair.dwp.settings, date(2020, 1, 1), date(2098, 12, 31), tmp_path / "out.zip", 4_110_000_000.0, lambda *_: None
    )
    content = (tmp_path / "out.zip").read_bytes()
    assert NAME.encode() not in content
    assert content.count(b"retention.certified") == 1
    said = verify(tmp_path / "out.zip")
    assert any("rows are, in every column, what the chain says of them last" in line for line in said)
    assert any(line.startswith("NOT SHOWN: what some receipts say") for line in said)
