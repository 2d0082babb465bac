"""A copy shows one moment, whatever goes on while it is written; and what a restored site knows of its own loss."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from gateway.administration.backup import contents, restoring, secret_keys, taking
from gateway.administration.backup.contents import Contents
from gateway.administration.site.settings import load
from gateway.domain.manifest import AuditHead
from gateway.errors import BackupUnusable, CopyFull, SiteBusy, UsageWrong
from gateway.ledger.chain import RESTORED
from gateway.ledger.queries.restorations import SUBJECT, was_lost
from gateway.ledger.snapshot import copy_ledger
from gateway.ledger.store import read_head
from gateway.settings.home import Home
from gateway.settings.write import change
from gateway.stages.statements import make
from tests.fakes.ledgers import kind
from tests.fakes.two_ledgers import Bench, Pair, PretendedPgp, two_ledgers

BEGINS = ("pages left", "events")
"""What is told first of a ledger that is copied, from SQLite and from PostgreSQL."""


@pytest.fixture
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Pair]:
    with two_ledgers(tmp_path / "sites", ledgers=kind(request.param) if hasattr(request, "param") else None) as made:
        for bench in (made.dwp, made.la):
            bench.configure()
        yield made


@pytest.mark.parametrize("pair", ["sqlite", "postgresql"], indirect=True)
def test_what_moves_on_while_the_copy_is_written_is_in_it_as_it_was(pair: Pair, tmp_path: Path) -> None:
    dwp = pair.dwp
    for number in range(4):
        dwp.submit(f"{number}.xml", b"claim %d" % number)
    waiting = sorted(path.name for path in dwp.home.custody.iterdir())
    moved: list[str] = []

    def watch(what: str, _count: int) -> None:
        if what in BEGINS and not moved:
            pair.work()
            moved.extend(waiting)

    taken = taking.take(dwp.settings, tmp_path / "copies", lambda: dwp.now, watch)
    assert moved
    assert not list(dwp.home.custody.iterdir()), "the site has gone on, and needs these bytes no more"
    assert taken.faults == ()
    there = contents.home_in(Path(taken.path))
    assert sorted(path.name for path in there.custody.iterdir()) == waiting
    with dwp.ledger.read() as connection:
        assert taken.head < read_head(connection).sequence
    assert not dwp.home.backup.exists()


def test_batches_for_a_document_system_are_in_the_copy_and_put_aside_when_it_is_put_back(
    pair: Pair, tmp_path: Path
) -> None:
    dwp = pair.dwp
    batch = dwp.home.batches / "laid" / "laid-20261128T101500Z-000042"
    for name in (batch / "a.pdf", dwp.home.open_batches / "laid" / "laid-20261128T101501Z-000043" / "b.pdf"):
        name.parent.mkdir(parents=True)
        name.write_bytes(b"%PDF")
    taken = taking.take(dwp.settings, tmp_path / "copies", lambda: dwp.now, lambda _what, _count: None)
    home = Home(tmp_path / "back")
    home.root.mkdir()
    copy = Path(taken.path)
    before = os.umask(0o022)
    try:
        restoring._fill(copy, contents.read(copy), home, lambda _what, _count: None)
    finally:
        os.umask(before)
    aside = [path for path in (home.put_aside, *home.put_aside.rglob("*")) if path.is_dir()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in aside} == {0o2770}, "operators may, others may not"
    back = {str(path.relative_to(home.put_aside)): path.read_bytes() for path in home.put_aside.rglob("*.pdf")}
    assert back == {
        "batches/laid/laid-20261128T101500Z-000042/a.pdf": b"%PDF",
        "open-batches/laid/laid-20261128T101501Z-000043/b.pdf": b"%PDF",
    }
    assert not home.batches.exists(), "the importer may have taken it since"
    assert not home.open_batches.exists()


def test_nobody_commits_at_the_moment_that_a_copy_shows(pair: Pair, tmp_path: Path) -> None:
    refused = []

    def meanwhile() -> None:
        with closing(sqlite3.connect(pair.dwp.home.ledger, timeout=0)) as other:
            try:
                other.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                refused.append(str(error))

    copy_ledger(pair.dwp.home.ledger, tmp_path / "copy.sqlite3", meanwhile)
    assert refused == ["database is locked"]
    pair.dwp.submit("0.xml", b"claim")


def test_second_copy_links_what_the_first_has(pair: Pair, tmp_path: Path) -> None:
    dwp = pair.dwp
    dwp.submit("0.xml", b"claim")
    first = taking.take(dwp.settings, tmp_path / "copies", lambda: dwp.now, lambda _what, _count: None)
    dwp.now += 60
    second = taking.take(dwp.settings, tmp_path / "copies", lambda: dwp.now, lambda _what, _count: None, keep=1)
    assert second.linked >= 1
    assert second.removed == (Path(first.path).name,)
    kept = contents.read(Path(second.path))
    assert not list(contents.faults(Path(second.path), kept, lambda _what, _count: None))


def test_copy_goes_nowhere_into_the_site_and_beside_no_other_copying(pair: Pair, tmp_path: Path) -> None:
    dwp = pair.dwp
    for inside in (dwp.home.root, dwp.home.state / "copies"):
        with pytest.raises(UsageWrong):
            taking.take(dwp.settings, inside, lambda: dwp.now, lambda _what, _count: None)

    def watch(what: str, _count: int) -> None:
        if what in BEGINS:
            taking.take(dwp.settings, tmp_path / "copies", lambda: dwp.now + 1, lambda _what, _count: None)

    with pytest.raises(SiteBusy):
        taking.take(dwp.settings, tmp_path / "copies", lambda: dwp.now, watch)
    assert list((tmp_path / "copies").iterdir()) == []


def test_full_disk_of_the_copies_is_told_as_theirs_and_keeps_nothing(pair: Pair, tmp_path: Path) -> None:
    def watch(what: str, _count: int) -> None:
        if what in BEGINS:
            raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(CopyFull, match="No space left"):
        taking.take(pair.dwp.settings, tmp_path / "copies", lambda: pair.dwp.now, watch)
    assert list((tmp_path / "copies").iterdir()) == []
    assert not pair.dwp.home.backup.exists()


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", "a//b", "a/./b", ""])
def test_manifest_that_names_a_path_outside_is_refused(tmp_path: Path, path: str) -> None:
    good = Contents(
        site="DWP",
        account="gateway",
        taken="2026-11-28T01:30:00.000Z",
        head=AuditHead(sequence=0, sha256="0" * 64),
        directories=(),
        files=(),
    )
    good.write(tmp_path)
    assert contents.read(tmp_path) == good
    written = (tmp_path / contents.MANIFEST).read_text()
    spoilt = written.replace('"directories": []', f'"directories": [{{"path": "{path}", "mode": 448}}]')
    (tmp_path / contents.MANIFEST).write_text(spoilt)
    with pytest.raises(BackupUnusable):
        contents.read(tmp_path)


def restored(bench: Bench, lost: float, leave_out: int) -> None:
    with bench.ledger.write() as transaction:
        head = transaction.head()
        transaction.leave_out(leave_out)
        moment = datetime.fromtimestamp(lost, UTC).isoformat()
        transaction.record(RESTORED, "site", SUBJECT, head=[head.sequence, head.sha256], taken=moment, stopped=moment)


def test_lost_events_are_those_whose_numbers_the_restoration_left_out(pair: Pair) -> None:
    dwp = pair.dwp
    dwp.submit("0.xml", b"claim")
    with dwp.ledger.read() as connection:
        head = read_head(connection).sequence
    restored(dwp, dwp.now, 90)
    with dwp.ledger.read() as connection:
        assert read_head(connection).sequence == 91
        assert [number for number in range(200) if was_lost(connection, number)] == list(range(head + 1, 91))


def test_day_from_before_the_loss_is_not_stated_again(pair: Pair) -> None:
    dwp = pair.dwp
    dwp.submit("0.xml", b"claim")
    today = datetime.fromtimestamp(dwp.now, UTC).date()
    engine = PretendedPgp("DWP")
    dwp.now += 2 * 86400
    restored(dwp, dwp.now, 50)
    assert not make(dwp.context, engine, today)
    assert not make(dwp.context, engine, today + timedelta(days=1))
    dwp.now += 86400
    assert make(dwp.context, engine, date.fromordinal(today.toordinal() + 2))
    shutil.rmtree(dwp.home.statements)


class Elsewhere:
    """A store of the site's, as far as a copy asks: it is one."""


@pytest.mark.parametrize("pair", ["sqlite", "postgresql"], indirect=True)
def test_files_of_a_store_and_shared_directories_are_left_to_their_own_means_and_the_copy_says_so(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dwp = pair.dwp
    dwp.submit("a.xml", b"claim a")
    pair.work()
    dwp.submit("b.xml", b"claim b")
    (tmp_path / "shared").mkdir()
    dwp.home.inbound.rename(tmp_path / "shared" / "inbound")
    dwp.home.inbound.symlink_to(tmp_path / "shared" / "inbound")
    (tmp_path / "shared" / "inbound" / "of-all-nodes.xml").write_bytes(b"shared")
    key = dwp.home.payload_key
    key.write_bytes(b"k" * 32)
    monkeypatch.setattr(taking, "payloads_of", lambda _settings: Elsewhere())
    taken = taking.take(dwp.settings, tmp_path / "copies", lambda: dwp.now, lambda _what, _count: None)
    assert (taken.stored, taken.faults) == (True, ())
    copy = Path(taken.path)
    made = contents.read(copy)
    assert made.stored
    there = contents.home_in(copy)
    below = {each.path for each in made.files}
    assert not [
        path for path in below if path.startswith(("state/vault", "state/sealed", "state/evidence", "spool/inbound"))
    ]
    assert {"config/gateway.toml", "state/ledger/ledger.sqlite3"} <= below
    assert not list(there.custody.glob("*"))
    assert key in secret_keys._secrets(dwp.home)


def test_copy_of_a_site_on_postgresql_with_nodes_comes_back_as_a_gateway_that_works_alone(tmp_path: Path) -> None:
    """Its configuration names a database and a node: what comes back does not write into the one, nor take the other's name."""
    with two_ledgers(tmp_path / "sites", ledgers=kind("postgresql")) as pair:
        dwp = pair.dwp
        dwp.configure()
        url = "postgresql:///nobody?host=/nowhere"  # whoever asked it would fail
        text = change(dwp.home.gateway_toml.read_text(), "ledger", {"url": url})
        (tmp_path / "store").mkdir()
        text = change(text, "payloads", {"url": f"file://{tmp_path / 'store'}"})
        dwp.home.gateway_toml.write_text(change(text, "node", {"name": "north-1"}))
        taken = taking.take(dwp.settings, tmp_path / "copies", lambda: dwp.now, lambda _what, _count: None)
    put_back = restoring.restore(Path(taken.path), tmp_path / "back", None, 0.0, lambda _what, _count: None)
    assert (put_back.alone, put_back.stored, put_back.head, put_back.faults) == (True, False, taken.head, ())
    settings = load(Home(tmp_path / "back"))
    assert (settings.ledger.url, settings.node.name, settings.payloads.url) == ("", "", "")
    assert restoring.restore(Path(taken.path), tmp_path / "trial", None, 0.0, lambda *_: None, dry_run=True).alone
