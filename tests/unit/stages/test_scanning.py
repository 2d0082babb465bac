"""The virus scanner in the road of a file: the real stages of two sites in one process, a scanner that reads one word."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.daemon.recovery import tidy
from gateway.domain.decision import Decision
from gateway.domain.requests import Act
from gateway.domain.states import Direction, State
from gateway.errors import FileInfected, ScanFailed, ScannerUnavailable
from gateway.ledger.audit.files import Area, Listing, check_files
from gateway.ledger.audit.rows import check_rows
from gateway.ledger.queries import overview, quarantine
from gateway.ledger.units import Quarantined, Transfer
from gateway.settings.flow_settings import DEFAULT_FLOWS
from gateway.stages.itinerary import Role
from gateway.stages.request_answers import decide
from tests.fakes.two_ledgers import Bench, Pair, two_ledgers

LA = "E09000030"
SCANNED = {**DEFAULT_FLOWS, "claim": DEFAULT_FLOWS["claim"].model_copy(update={"scan": True})}
WHY = Decision("somebody", "it is seen to")


@dataclass
class PretendedScanner:
    """Objects to `virus`, fails on `hard`, and may be away."""

    away: bool = False
    asked: int = 0

    def scan(self, path: Path) -> None:
        self.asked += 1
        if self.away:
            raise ScannerUnavailable
        content = path.read_bytes()
        if b"virus" in content:
            raise FileInfected("the virus scanner found Pretended.Virus")
        if b"hard" in content:
            raise ScanFailed


@contextmanager
def sites(root: Path, *, dwp: PretendedScanner | None, la: PretendedScanner | None) -> Iterator[Pair]:
    """Two sites, of which those with a scanner have it look at claims; at the end both ledgers agree with their disks."""
    with two_ledgers(root, SCANNED, (dwp or PretendedScanner(), la or PretendedScanner())) as pair:
        yield pair
        for bench in (pair.dwp, pair.la):
            with bench.ledger.read() as connection:
                assert list(check_rows(connection)) == []
                found = check_files(connection, listing(bench))
                assert (found.faults, found.left_over) == ([], [])


def listing(bench: Bench) -> Listing:
    home = bench.home
    roots = {
        Area.CUSTODY: home.custody,
        Area.SEALED_OUT: home.sealed_out,
        Area.SEALED_IN: home.sealed_in,
        Area.QUARANTINE: home.quarantine,
        Area.INFECTED: home.infected,
        Area.EVIDENCE: home.evidence,
    }
    return Listing(
        {
            area: {str(path.relative_to(root)): path.stat().st_size for path in root.rglob("*") if path.is_file()}
            for area, root in roots.items()
        }
    )


def row_of(bench: Bench, name: str, direction: Direction) -> Transfer:
    with bench.ledger.read() as connection:
        (row,) = [row for row in overview.transfers(connection, direction=direction) if row.name == name]
    return row


def locked_away(bench: Bench) -> list[Quarantined]:
    with bench.ledger.read() as connection:
        return quarantine.quarantined(connection)


def places_of(bench: Bench, word: bytes) -> set[Path]:
    """Every file of a site in which the word occurs, by its directory."""
    return {
        path.parent.relative_to(bench.home.root)
        for path in bench.home.root.rglob("*")
        if path.is_file() and word in path.read_bytes()
    }


def test_infected_file_never_leaves_and_is_locked_away_in_the_vault(tmp_path: Path) -> None:
    with sites(tmp_path, dwp=None, la=None) as pair:
        pair.dwp.submit("bad.xml", b"a virus")
        pair.dwp.submit("good.xml", b"a claim")
        pair.work()
        bad = row_of(pair.dwp, "bad.xml", Direction.OUT)
        assert (bad.state, bad.code, bad.consignment, bad.custody) == (State.QUARANTINED, "infected", None, False)
        assert row_of(pair.dwp, "good.xml", Direction.OUT).state == State.RECEIPTED
        assert places_of(pair.dwp, b"a virus") == {Path("state/vault/infected")}
        returned = pair.dwp.home.returned / "claim" / LA
        (why,) = returned.iterdir()
        assert why.name == "bad.xml.why.txt"
        assert "infected" in why.read_text()
        assert "Pretended.Virus" in why.read_text()
        (kept,) = locked_away(pair.dwp)
        assert (kept.kind, kept.consignment, kept.code, kept.sha256) == ("file", bad.id, "infected", bad.sha256)


def test_infected_file_that_arrives_is_locked_away_and_its_sender_told_while_the_others_go_on(tmp_path: Path) -> None:
    with sites(tmp_path, dwp=PretendedScanner(), la=None) as pair:
        # DWP's scanner knows less than the authority's.
        pair.dwp.submit("good.xml", b"a claim")
        pair.dwp.submit("bad.xml", b"v-i-r-u-s")
        scan = PretendedScanner.scan

        def knows_more(self: PretendedScanner, path: Path) -> None:
            if "opened" in path.parts and b"v-i-r-u-s" in path.read_bytes():
                raise FileInfected("the virus scanner found Pretended.New")
            scan(self, path)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(PretendedScanner, "scan", knows_more)
            pair.work()
        sent, came = row_of(pair.dwp, "bad.xml", Direction.OUT), row_of(pair.la, "bad.xml", Direction.IN)
        assert (came.state, came.code) == (State.QUARANTINED, "infected")
        assert (sent.state, sent.code) == (State.QUARANTINED, "infected")
        assert "Pretended.New" in (sent.reason or "")
        assert row_of(pair.dwp, "good.xml", Direction.OUT).state == State.RECEIPTED
        assert row_of(pair.la, "good.xml", Direction.IN).state == State.DELIVERED
        for bench in (pair.dwp, pair.la):
            assert places_of(bench, b"v-i-r-u-s") == {Path("state/vault/infected")}
            assert [(kept.code, kept.consignment) for kept in locked_away(bench)] == [("infected", sent.consignment)]
        (why,) = (pair.dwp.home.returned / "claim" / LA).iterdir()
        assert "does not come back" in why.read_text()


def test_quarantined_file_is_discarded_from_the_vault(tmp_path: Path) -> None:
    with sites(tmp_path, dwp=None, la=None) as pair:
        pair.dwp.submit("bad.xml", b"a virus")
        pair.work()
        (kept,) = locked_away(pair.dwp)
        assert quarantine.kept_file(pair.dwp.home, kept).is_file()
        decide(pair.dwp.context, Act.DISCARD, kept.id, WHY)
        assert places_of(pair.dwp, b"a virus") == set()
        assert locked_away(pair.dwp) == []


def test_a_name_that_a_crash_left_in_the_vault_goes_at_the_next_start_and_what_is_locked_away_stays(
    tmp_path: Path,
) -> None:
    with sites(tmp_path, dwp=None, la=None) as pair:
        pair.dwp.submit("bad.xml", b"a virus")
        pair.work()
        (kept,) = locked_away(pair.dwp)
        stray = pair.dwp.home.infected / pair.dwp.context.new_id()
        stray.write_bytes(b"a virus, locked away once more")
        tidy(pair.dwp.home, pair.dwp.ledger, Role.INSPECT)
        assert list(pair.dwp.home.infected.iterdir()) == [quarantine.kept_file(pair.dwp.home, kept)]


def test_while_the_scanner_is_away_nothing_passes_and_nothing_is_lost(tmp_path: Path) -> None:
    dwp, la = PretendedScanner(away=True), PretendedScanner()
    with sites(tmp_path, dwp=dwp, la=la) as pair:
        for number in range(5):
            pair.dwp.submit(f"{number}.xml", b"claim %d" % number)
        pair.dwp.submit("other.pdf", b"not to be scanned", "laid")
        pair.work()
        rows = [row_of(pair.dwp, f"{number}.xml", Direction.OUT) for number in range(5)]
        assert {(row.state, row.code, row.attempts) for row in rows} == {(State.ADMITTED, "scanner-unavailable", 0)}
        assert row_of(pair.dwp, "other.pdf", Direction.OUT).state == State.RECEIPTED
        assert dwp.asked == 1  # one file asks for all of them
        pair.dwp.now += 30
        pair.work()
        assert dwp.asked == 2
        dwp.away, la.away = False, True
        pair.dwp.now += 30
        pair.work()
        rows = [row_of(pair.la, f"{number}.xml", Direction.IN) for number in range(5)]
        assert {(row.state, row.code) for row in rows} == {(State.OPENED, "scanner-unavailable")}
        la.away = False
        pair.la.now += 30
        pair.work()
        rows = [row_of(pair.dwp, f"{number}.xml", Direction.OUT) for number in range(5)]
        assert {(row.state, row.code) for row in rows} == {(State.RECEIPTED, None)}


def test_file_that_the_scanner_fails_on_again_and_again_is_held_and_scanned_again_once_released(tmp_path: Path) -> None:
    scanner = PretendedScanner()
    with sites(tmp_path, dwp=scanner, la=None) as pair:
        pair.dwp.submit("hard.xml", b"hard")
        for _ in range(6):
            pair.work()
            pair.dwp.now += 1000
        row = row_of(pair.dwp, "hard.xml", Direction.OUT)
        assert (row.state, row.code, row.resume, scanner.asked) == (State.HELD, "scan-incomplete", State.ADMITTED, 6)
        decide(pair.dwp.context, Act.RELEASE, row.id, WHY)
        pair.work()
        row = row_of(pair.dwp, "hard.xml", Direction.OUT)
        assert (row.state, row.code, scanner.asked) == (State.ADMITTED, "scan-failed", 7)


def test_extract_of_another_size_than_the_last_is_held_and_goes_when_released(tmp_path: Path) -> None:
    def extract(records: int) -> bytes:
        return b"facts " + json.dumps({"records": str(records)}).encode()

    with two_ledgers(tmp_path) as pair:
        for name, records, state in [
            ("first", 10_000, State.RECEIPTED),
            ("more", 14_900, State.RECEIPTED),
            ("far-more", 22_500, State.HELD),
            ("less", 7_400, State.HELD),
            ("like-the-last-that-arrived", 15_100, State.RECEIPTED),
        ]:
            pair.la.submit(f"hb{LA} {name}", extract(records), "extract")
            pair.work()
            row = row_of(pair.la, f"hb{LA} {name}", Direction.OUT)
            assert (row.state, row.code) == (state, "extract-volume" if state is State.HELD else None), name
        held = row_of(pair.la, f"hb{LA} far-more", Direction.OUT)
        assert (held.resume, "22500" in (held.reason or ""), "14900" in (held.reason or "")) == (
            State.VALIDATED,
            True,
            True,
        )
        decide(pair.la.context, Act.RELEASE, held.id, WHY)
        pair.work()
        assert row_of(pair.la, f"hb{LA} far-more", Direction.OUT).state == State.RECEIPTED
        assert row_of(pair.dwp, f"hb{LA} far-more", Direction.IN).state == State.DELIVERED
