"""`gateway retention` and legal holds at the command line: what they print, and what other commands say of what was erased."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.administration.retention import certificate
from tests.fakes.two_ledgers import Pair, PretendedPgp, two_ledgers
from tests.unit.cli.conftest import Run

LATER = 15 * 31 * 86_400.0
WHY = ("--reason", "says the test")


@pytest.fixture
def pair(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Pair]:
    """Two sites, between which a claim, an enquiry, a referral and an extract have gone; one claim was rejected."""
    monkeypatch.setattr(certificate, "open_pgp", lambda settings: PretendedPgp(settings.site.code))
    with two_ledgers(tmp_path / "sites") as made:
        for bench in (made.dwp, made.la):
            bench.configure()
            bench.now = time.time()
        made.dwp.submit("claim.xml", b'facts {"message_id": "m-1"}\nclaim')
        made.dwp.submit("bad.xml", b"wrong")
        told = {"rms": '["R-1"]', "rule": '["HBTC003"]', "reply_by": '["2026-12-24"]', "rms_total": "1", "records": "1"}
        made.dwp.submit("referral.xml", b"facts " + json.dumps(told).encode() + b"\n", "referral")
        made.la.submit("E09000030_november.csv", b'facts {"records": "40"}\n', "extract")
        asked = {"kind": "award", "reference": "HBE-1", "reply_by": "2026-12-24"}
        made.dwp.submit("enquiry.xml", b"facts " + json.dumps(asked).encode() + b"\n", "enquiry")
        made.work()
        yield made


def test_other_commands_bear_with_what_was_erased(pair: Pair, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    later = time.time() + 10 * LATER
    monkeypatch.setattr("gateway.cli.retention.clock", lambda: later)
    for bench in (pair.dwp, pair.la):
        assert run(bench, "retention", "--json").data["certificate"].startswith("CERTIFICATE OF DISPOSAL")
        rows = run(bench, "transfers", "--json").data
        assert {row["name"] for row in rows} == {""}
        assert run(bench, "transfers").out.count("(erased)") == len(rows)
        for row in rows:
            said = run(bench, "show", row["id"])
            assert said.status == 0, said.err
            assert "erased " in said.out
            assert run(bench, "show", row["id"], "--json").data["erased"] is not None
            if row["consignment"]:
                assert run(bench, "show", row["consignment"]).status == 0
        for words in (
            *(("enquiries",), ("referrals",), ("calendar",), ("inbound", "pending"), ("quarantine", "list", "--all")),
            *(("faults", "list"), ("logins",), ("audit", "heads", bench.other, "--json"), ("retention", "--dry-run")),
        ):
            said = run(bench, *words)
            assert said.status in (0, 64), (words, said.err)
        assert "Traceback" not in run(bench, "status").err
        assert run(bench, "audit", "verify").status == 0
        assert "Nothing is over its time." in run(bench, "retention").err


def test_what_comes_after_erasing_goes_its_way(pair: Pair, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The back office answers years later; and a sender sends the same bytes again."""
    (pair.la.home.outcomes / "claim" / "DWP" / "claim.xml.accepted").write_text("")
    later = time.time() + LATER
    monkeypatch.setattr("gateway.cli.retention.clock", lambda: later)
    assert run(pair.dwp, "retention").status == 0
    for _ in range(3):
        pair.la.now += 100.0
        pair.work()
    states = {row["state"] for row in run(pair.dwp, "transfers", "--flow", "claim", "--json").data}
    assert states == {"ingested", "rejected"}
    assert run(pair.dwp, "audit", "verify").status == 0
    (answered,) = run(pair.dwp, "transfers", "--state", "ingested", "--json").data
    told = pair.dwp.home.receipts / "claim" / pair.la.code / f"{answered['id']}.receipt.json"
    assert json.loads(told.read_bytes())["level"] == "ingested"


def test_a_day_ahead_is_for_looking_only(pair: Pair, run: Run) -> None:
    assert run(pair.dwp, "retention", "--on", "2099-01-01").status == 64
    found = run(pair.dwp, "retention", "--dry-run", "--on", "2099-01-01", "--json").data
    assert {line["kind"] for line in found["due"]} >= {"transfers", "receipts", "receipt files", "returned files"}
    assert run(pair.dwp, "retention", "--dry-run").err == "Nothing would go.\n"


def test_the_dry_run_lists_holds_and_show_tells_of_them(pair: Pair, run: Run) -> None:
    (first, *_) = run(pair.dwp, "transfers", "--json").data
    assert run(pair.dwp, "hold-retention", first["id"], *WHY).status == 0
    assert run(pair.dwp, "hold-retention", "--partner", pair.la.code, *WHY).status == 0
    told = run(pair.dwp, "retention", "--dry-run", "--on", "2099-01-01")
    assert f"transfer {first['id']}, says the test" in told.out
    assert f"partner {pair.la.code}, says the test" in told.out
    assert "Nothing would go." in told.err
    assert run(pair.dwp, "hold-retention", *WHY).status == 64
    shown = run(pair.dwp, "show", first["id"]).out
    assert shown.count("legal hold") == 2
    assert f"on partner {pair.la.code}: says the test" in shown
    assert "a person had it kept beyond its time, by" in shown
