"""What is over its time is gone, from every byte of the site; what is not, or is on legal hold, is there; and the chain holds."""

from __future__ import annotations

import hashlib
import os
import random
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.administration.retention import compaction, holding
from gateway.administration.retention.plan import plan
from gateway.domain.decision import Decision
from gateway.errors import NotFound, UsageWrong
from gateway.ledger.store import Ledger
from gateway.ledger.tables import FILE
from gateway.ledger.units import Quarantined
from tests.conftest import Tally
from tests.crash.points import Points
from tests.fakes.two_ledgers import two_ledgers
from tests.unit.administration.retention.conftest import DAY, WHO, Past, live

LATE = 20 * 365 * DAY
WHY = Decision("somebody", "an appeal, says the test")


@pytest.fixture
def past(tmp_path: Path) -> Iterator[Past]:
    """An authority's site."""
    with two_ledgers(tmp_path / "sites") as pair:
        yield live(pair, random.Random("retention"))[1]


def counts(site: Past) -> dict[str, int]:
    """How many of each kind the certificates tell of."""
    found: dict[str, int] = {}
    for path in sorted(site.home.disposals.glob("*.asc")):
        for what, number in re.findall(
            r"^(\w.*?), (?:erased|removed) +\S+ = \d+ +(\d+) ", path.read_text(), re.MULTILINE
        ):
            found[what] = found.get(what, 0) + int(number)
    return found


def test_after_its_time_nothing_personal_is_left_in_any_byte_and_the_audit_finds_nothing(
    pasts: tuple[Past, Past],
) -> None:
    """Twice: the record of what was quarantined has its time from when the file was removed."""
    for site in pasts:
        assert site.found(), "there was something to erase"
        for later in (LATE, 2 * LATE, 3 * LATE):
            planned = site.plan(time.time() + later)
            done = site.dispose(time.time() + later)
            assert done.emptied
            assert {(line.kind, line.flow, line.partner, line.count) for line in planned.due} == {
                (line.kind, line.flow, line.partner, line.count) for line in done.due
            }
            assert site.faults() == ()
        assert site.found() == set()
        assert site.plan(time.time() + 3 * LATE).count == 0


def test_nothing_goes_before_its_time(pasts: tuple[Past, Past]) -> None:
    for site in pasts:
        before = site.found()
        assert site.plan(time.time() + 80 * DAY).due == ()
        done = site.dispose(time.time() + 80 * DAY)
        assert (done.certificate, site.found()) == (None, before)
        assert site.sql("SELECT count(*) FROM events WHERE event LIKE 'retention.%'") == [(0,)]


def test_what_is_on_legal_hold_is_never_erased_and_the_rest_is(pasts: tuple[Past, Past]) -> None:
    for site in pasts:
        kept = str(site.sql("SELECT id FROM transfers WHERE consignment IS NOT NULL ORDER BY key LIMIT 1")[0][0])
        beside = {
            each
            for (each,) in site.sql(
                "SELECT id FROM transfers WHERE consignment IN (SELECT consignment FROM transfers WHERE id = ?)", kept
            )
        }
        before = site.found()
        holding.place(site.settings, site.log(), kept, None, WHY)
        for later in (LATE, 2 * LATE, 3 * LATE):
            assert any(line.held for line in site.plan(time.time() + later).due)
            site.dispose(time.time() + later)
        left = site.found()
        assert left >= {word for word in before if site.words[word] == kept}
        assert not {word for word in left if site.words[word] not in beside | {None}}
        assert site.faults() == ()
        holding.release(site.settings, site.log(), kept, None, WHY)
        for later in (3 * LATE, 4 * LATE):
            site.dispose(time.time() + later)
        assert site.found() == set()
        assert site.faults() == ()


def test_a_whole_partner_is_kept(past: Past) -> None:
    before = past.found()
    holding.place(past.settings, past.log(), None, "DWP", WHY)
    assert plan(past.settings, time.time() + LATE).count == 0
    past.dispose(time.time() + LATE)
    assert past.found() == before


def test_a_hold_needs_something_to_hold_and_is_one(past: Past) -> None:
    with pytest.raises(NotFound):
        holding.place(past.settings, past.log(), "0000", None, WHY)
    with pytest.raises(NotFound):
        holding.place(past.settings, past.log(), None, "E06000001", WHY)
    with pytest.raises(UsageWrong):
        holding.release(past.settings, past.log(), None, "DWP", WHY)
    holding.place(past.settings, past.log(), None, "DWP", WHY)
    with pytest.raises(UsageWrong):
        holding.place(past.settings, past.log(), None, "DWP", WHY)


def test_a_quarantined_file_goes_and_its_record_later(past: Past) -> None:
    ((identity,),) = past.sql("SELECT id FROM quarantine")
    past.dispose(time.time() + 15 * 31 * DAY)
    assert not (past.home.quarantine / f"{identity}.sealed").exists()
    ((consignment, reason),) = past.sql("SELECT consignment, reason FROM quarantine")
    assert consignment
    assert reason
    past.dispose(time.time() + 15 * 31 * DAY + 61 * 31 * DAY)
    assert past.sql("SELECT consignment, reason FROM quarantine") == [("", "")]
    assert past.faults() == ()


def test_an_infected_file_is_inspects_and_goes_with_its_part(past: Past) -> None:
    """It is plaintext, and lies where the vault's account may not even look."""
    infected = past.home.infected / "019ab5f0-1c2d-7000-8000-000000000001"
    infected.write_bytes(b"plaintext")
    with closing(Ledger(past.home.ledger, clock=time.time, role="test")) as ledger, ledger.write() as transaction:
        row = (infected.name, FILE, "unnamed", "DWP", "infected", "a virus", time.time(), 9, "0" * 64, None)
        transaction.lock_away(Quarantined(*row))
        transaction.record("transfer.isolated", "transfer", "unnamed", "DWP")
    now = time.time() + 16 * 31 * DAY
    past.dispose(now, "vault")
    assert infected.exists()
    past.dispose(now, "inspect")
    assert not infected.exists()
    past.dispose(now, "vault")
    assert counts(past)["infected files"] == 1


def test_what_the_back_office_put_in_a_delivered_files_place_stays(past: Past) -> None:
    there = sorted((past.home.inbound / "claim" / "DWP").iterdir())
    there[0].write_bytes(there[0].read_bytes()[::-1])
    past.dispose(time.time() + LATE)
    assert [path for path in there if path.exists()] == there[:1]


def test_a_file_that_is_not_taken_away_keeps_its_row_readable(past: Past) -> None:
    """0: never. Without its row, nobody would know what it is."""
    toml = past.home.gateway_toml
    toml.write_text(
        toml.read_text()
        .replace("# delivered_days = 90", "delivered_days = 0")
        .replace("# unanswered_days = 365", "unanswered_days = 0")
    )
    there = {path.name for path in (past.home.inbound / "claim" / "DWP").iterdir()}
    past.dispose(time.time() + LATE)
    assert {name for (name,) in past.sql("SELECT delivered_name FROM transfers WHERE name != ''")} == there
    assert sum(line.waiting for line in past.plan(time.time() + LATE).due) == len(there)


def test_each_role_does_its_part_and_the_vault_certifies_both(past: Past) -> None:
    now = time.time() + LATE
    assert past.dispose(now, "inspect").certificate is None
    done = past.dispose(now, "vault")
    assert done.certificate is not None
    assert {"transfers", "receipts", "quarantined files"} <= counts(past).keys()
    assert past.plan(now).count == 0
    assert past.faults() == ()


def test_the_certificate_names_nobody_and_nothing_but_who_had_it_done(past: Past) -> None:
    done = past.dispose(time.time() + LATE)
    assert done.certificate is not None
    assert done.file is not None
    assert "By:      somebody\n" in done.certificate
    assert WHO.reason not in done.certificate
    assert not any(word in done.certificate for word in past.words)
    ((sha256,),) = past.sql("SELECT detail ->> '$.sha256' FROM events WHERE event = 'retention.certified'")
    assert hashlib.sha256(Path(done.file).read_bytes()).hexdigest() == sha256
    Path(done.file).unlink()
    past.dispose(time.time() + LATE)
    assert hashlib.sha256(Path(done.file).read_bytes()).hexdigest() == sha256


def test_an_altered_certificate_is_found(past: Past) -> None:
    done = past.dispose(time.time() + LATE)
    assert done.file is not None
    Path(done.file).write_text("nothing was erased")
    assert [fault.check for fault in past.faults()] == ["file"]


def test_a_large_ledger_is_written_anew_only_now_and_then(past: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "SMALL", 0)
    now = time.time() + 15 * 31 * DAY
    assert past.dispose(now).compacted == "done"
    assert past.dispose(now).compacted == "nothing to do"
    assert past.dispose(now + 60 * 31 * DAY).compacted == "done"
    ((at,),) = past.sql("SELECT max(at) FROM events WHERE event = 'ledger.compacted'")
    assert isinstance(at, str)
    text = past.home.gateway_toml.read_text()
    past.home.gateway_toml.write_text(text.replace("# compact_days = 28", "compact_days = 3650"))
    done = past.dispose(now + 100 * 31 * DAY)
    assert done.compacted == "later"
    assert done.certificate is not None
    assert "may hold traces" in done.certificate
    assert past.faults() == ()


def test_without_room_the_ledger_stays_as_it_is_and_the_certificate_says_so(
    past: Past, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = shutil.disk_usage(past.home.root)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: usage._replace(free=0))
    done = past.dispose(time.time() + LATE)
    assert done.compacted == "no room"
    assert done.certificate is not None
    assert "may hold traces" in done.certificate


# -- killed


def swept(site: Past, root: Path, sides: list[int]) -> int:
    """Kill a run on each of these sides of an operation, and let another go on: how many were killed."""
    now = time.time() + LATE
    whole = site.copy(root / "whole")
    whole.dispose(now)
    expected, killed = counts(whole), 0
    for side in sides:
        copy = site.copy(root / str(side))
        child = os.fork()
        if child == 0:
            try:
                Points(at=side).install()
                copy.dispose(now)
            finally:
                os._exit(0)
        killed += os.WIFSIGNALED(os.waitpid(child, 0)[1])
        copy.dispose(now)
        assert counts(copy) == expected, side
        assert copy.plan(now).count == 0, side
        assert copy.faults() == (), side
        assert copy.found() == whole.found(), side
    return killed


def sides(site: Past, root: Path) -> int:
    """How many sides of operations a run has."""
    site.copy(root / "first").dispose(time.time() + LATE)  # what it imports is compiled, and written, once
    copy = site.copy(root / "counted")
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        points = Points()
        points.install()
        copy.dispose(time.time() + LATE)
        os.write(write, str(2 * len(points.met)).encode())
        os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    return int(os.read(read, 20))


def test_a_run_that_is_killed_is_finished_by_the_next_one(past: Past, tmp_path: Path, tally: Tally) -> None:
    number = sides(past, tmp_path)
    drawn = random.Random(number).sample(range(0, number, 2), 6)
    killed = swept(past, tmp_path, drawn)
    tally("crash points, retention", tried=killed, lost=0)
    assert killed == len(drawn)


@pytest.mark.torture
@pytest.mark.timeout(900)
def test_a_run_that_is_killed_anywhere_is_finished_by_the_next_one(past: Past, tmp_path: Path, tally: Tally) -> None:
    number = sides(past, tmp_path)
    killed = swept(past, tmp_path, list(range(number)))
    tally("crash points, retention", tried=killed, lost=0)
    assert killed > 0.9 * number, "but for the sides after operations that failed"
