"""Business continuity: invoked, told, ended; what partners' gateways learn of it; work by hand compared with what was carried."""

from __future__ import annotations

import time
from pathlib import Path

import orjson
import pytest

from gateway.administration.metrics import catalogue
from gateway.administration.metrics.reading import LedgerFigures
from gateway.domain.manifest import Manifest
from gateway.ledger.queries import continuity
from gateway.ledger.queries.continuity import Moments
from tests.fakes.two_ledgers import Bench, Pair
from tests.unit.cli.conftest import Run

WHY = ("--reason", "no network, case 4711")


def invoked(bench: Bench) -> dict[str, float]:
    with bench.ledger.read() as connection:
        samples = LedgerFigures(bench.settings).read(connection, bench.now)
        return {s.labels[0]: float(s.value) for s in samples if s.metric is catalogue.CONTINUITY}  # type: ignore[arg-type]


def noted(bench: Bench) -> Moments | None:
    with bench.ledger.read() as connection:
        return continuity.noted(connection, bench.other)


@pytest.fixture
def now(pair: Pair) -> Pair:
    for bench in (pair.dwp, pair.la):
        bench.now = time.time()
    toml = pair.dwp.home.gateway_toml
    toml.write_text(
        toml.read_text().replace("# tell = []", 'tell = ["Duty manager, 020 7946 0001", "Partners\' desk"]')
    )
    return pair


def test_it_is_invoked_told_and_ended_and_status_shows_it(now: Pair, run: Run) -> None:
    site = now.dwp
    assert run(site, "status", "--json").data["continuity"]["since"] is None
    said = run(site, "continuity", "invoke", *WHY)
    assert "1  Duty manager, 020 7946 0001" in said.out
    assert run(site, "continuity", "invoke", *WHY).status == 64
    run(site, "continuity", "update", "--reason", "the carrier says 15:00")
    tell = run(site, "continuity", "told", "2", "--json").data["tell"]
    assert [each["told"] for each in tell] == [False, True]
    assert run(site, "continuity", "told", "3").status == 64
    shown = run(site, "status")
    assert shown.status == 69
    assert "1 of 2 told: the carrier says 15:00" in shown.out
    assert "business continuity is invoked since" in shown.out
    assert invoked(site) == {"own": 1.0, "E09000030": 0.0}
    run(site, "continuity", "end", *WHY)
    assert "continuity" not in run(site, "status").out
    assert invoked(site) == {"own": 0.0, "E09000030": 0.0}
    run(site, "continuity", "invoke", *WHY)
    assert "0 of 2 told: no network" in run(site, "status").out, "of an earlier one nobody was told"


def test_partners_learn_of_it_by_manifest_and_by_receipt_and_that_it_has_ended(now: Pair, run: Run) -> None:
    run(now.dwp, "continuity", "invoke", *WHY)
    assert noted(now.la) is None
    now.dwp.submit("a.xml", b"claim a")
    now.work()
    first = noted(now.la)
    assert first is not None
    assert first.since == first.updated
    assert f"DWP has invoked continuity since {first.since[:10]}" in run(now.la, "status").out
    run(now.dwp, "continuity", "update", *WHY)
    now.dwp.submit("more.xml", b"claim more")
    now.work()
    second = noted(now.la)
    assert second is not None
    assert first.since == second.since < second.updated
    assert ", last said" in run(now.la, "status").out
    assert invoked(now.la) == {"own": 0.0, "DWP": 1.0}
    run(now.la, "continuity", "invoke", *WHY)
    now.dwp.submit("b.xml", b"claim b")
    now.work()
    assert noted(now.dwp) is not None, "the receipt said so"
    for bench in (now.dwp, now.la):
        run(bench, "continuity", "end", *WHY)
    now.dwp.submit("c.xml", b"claim c")
    now.work()
    assert (noted(now.la), noted(now.dwp)) == (None, None)


def test_nothing_a_person_wrote_is_in_it_and_without_it_the_bytes_are_as_before(
    now: Pair,
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    seen: list[bytes] = []
    written = Manifest.to_bytes
    monkeypatch.setattr(Manifest, "to_bytes", lambda self: seen.append(written(self)) or written(self))  # type: ignore[func-returns-value]
    now.dwp.submit("a.xml", b"claim a")
    now.work()
    run(now.dwp, "continuity", "invoke", *WHY)
    now.dwp.submit("b.xml", b"claim b")
    now.work()
    before, after = map(orjson.loads, seen)
    assert "continuity" not in before
    assert [*after["continuity"]] == ["since", "updated"]
    assert b"4711" not in seen[1]


def test_what_was_done_by_hand_is_compared_with_what_was_carried(now: Pair, run: Run, tmp_path: Path) -> None:
    site = now.dwp
    site.submit("before.xml", b"claim before")
    site.now = time.time()
    run(site, "continuity", "invoke", *WHY)
    site.now = time.time() + 1
    site.submit("carried.xml", b"claim carried")
    wrong = site.submit("wrong.xml", b"wrong")
    now.work()
    site.submit("waits.xml", b"claim waits")
    site.sql("UPDATE transfers SET reference = 'HB/1' WHERE name = 'carried.xml'")
    given = tmp_path / "by-hand.csv"
    given.write_bytes(
        b"\xef\xbb\xbfClaimant,Reference,Name\r\nx,HB/1,\r\nx,, waits.xml \r\nx,HB/2,\r\n\r\nx,,wrong.xml\r\nx,,before.xml\r\n"
    )
    rows = run(site, "continuity", "reconcile", given, "--json").data
    assert [(row["line"], row["carried"], row["state"]) for row in rows] == [
        (2, "both", "receipted"),
        (3, "waiting", "admitted"),
        (4, "hand", None),
        (6, "hand", "rejected"),
        (7, "hand", None),
    ]
    assert rows[3]["transfer"] == wrong
    said = run(site, "continuity", "reconcile", given)
    assert "1 both, 1 waiting, 3 hand" in said.err
    csv = run(site, "continuity", "reconcile", given, "--csv").out.splitlines()
    assert csv[0].startswith("line,reference,name,carried,transfer,")
    assert csv[1].startswith("2,HB/1,,both,")
    earlier = run(site, "continuity", "reconcile", given, "--since", "2026-01-01T00:00:00Z", "--json").data
    assert earlier[-1]["carried"] == "both"


def test_a_list_that_is_none_is_refused(now: Pair, run: Run, tmp_path: Path) -> None:
    given = tmp_path / "by-hand.csv"
    given.write_text("reference\nHB/1\n")
    assert "never invoked" in run(now.dwp, "continuity", "reconcile", given).err
    run(now.dwp, "continuity", "invoke", *WHY)
    for content in (b"", b"Claimant\nx\n", b"reference\n\xff\n", b'reference\n"HB', b"\x00"):
        given.write_bytes(content)
        assert run(now.dwp, "continuity", "reconcile", given).status == 64, content
    assert run(now.dwp, "continuity", "reconcile", tmp_path / "none.csv").status == 64
