"""The head kept outside the ledger: an old copy is known before it can do anything, and nothing else passes for one."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import LedgerRolledBack
from gateway.ledger.chain import Head
from gateway.ledger.head_file import HeadFile
from gateway.ledger.store import Ledger, read_head
from tests.fakes.ledgers import SqliteLedgers

SHA256 = "5" * 64


class Site:
    """A ledger, and the record of its head."""

    def __init__(self, root: Path) -> None:
        self.path = root / "ledger" / "ledger.sqlite3"
        self.record = root / "ledger-head"
        self.head_file = HeadFile(self.record)
        SqliteLedgers().new(self.path)

    @contextmanager
    def opened(self) -> Iterator[Ledger]:
        with closing(Ledger(self.path, clock=lambda: 1000.0, role="vault", head_file=self.head_file)) as ledger:
            yield ledger

    def write(self, events: int = 1) -> Head:
        with self.opened() as ledger:
            for number in range(events):
                with ledger.write() as transaction:
                    transaction.record("lane.recovered", "lane", f"{number}", "DWP")
            with ledger.read() as connection:
                return read_head(connection)

    def check(self) -> None:
        with self.opened() as ledger:
            ledger.check()

    def backup(self, to: Path) -> None:
        with closing(sqlite3.connect(self.path)) as source, closing(sqlite3.connect(to)) as copy:
            source.backup(copy)

    def restore(self, backup: Path) -> None:
        for ending in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + ending).unlink(missing_ok=True)
        shutil.copy(backup, self.path)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_every_commit_with_an_event_is_remembered(site: Site) -> None:
    assert site.head_file.remembered() is None
    assert site.write() == site.head_file.remembered()
    assert site.write(3) == site.head_file.remembered()
    site.check()


def test_an_old_copy_is_refused(site: Site, tmp_path: Path) -> None:
    site.write(2)
    site.backup(tmp_path / "backup")
    site.write()
    site.restore(tmp_path / "backup")
    with pytest.raises(LedgerRolledBack, match="event 3 of its chain before; the ledger ends with event 2"):
        site.check()


def test_the_newest_copy_is_not_refused(site: Site, tmp_path: Path) -> None:
    site.write(2)
    site.backup(tmp_path / "backup")
    site.restore(tmp_path / "backup")
    site.check()


def test_an_old_copy_that_was_written_to_again_is_refused_still(site: Site, tmp_path: Path) -> None:
    """As by a program that did not look."""
    site.write(2)
    site.backup(tmp_path / "backup")
    site.write()
    site.restore(tmp_path / "backup")
    with closing(Ledger(site.path, clock=lambda: 2000.0, role="vault")) as ledger, ledger.write() as transaction:
        transaction.record("lane.recovered", "lane", "another", "DWP")
    with pytest.raises(LedgerRolledBack, match="and has another one"):
        site.check()


def test_a_ledger_that_is_further_than_its_record_is_right(site: Site) -> None:
    """As after a power cut, which may take the record's last words and never the ledger's."""
    before = site.write()
    site.write(5)
    site.record.unlink()
    site.head_file.remember(before)
    assert site.head_file.remembered() == before
    site.check()


def test_the_record_never_goes_back(site: Site) -> None:
    """As a process that is late would have it, or one that works with an older ledger."""
    before, newest = site.write(2), site.write(3)
    for head in (before, Head(newest.sequence, SHA256)):
        site.head_file.remember(head)
        assert site.head_file.remembered() == newest


def test_of_many_processes_that_write_at_once_the_last_event_is_kept(site: Site) -> None:
    numbers = random.Random(7).sample(range(1, 401), 400)

    def remember(start: int) -> None:
        for number in numbers[start::4]:
            site.head_file.remember(Head(number, SHA256))

    threads = [Thread(target=remember, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert site.head_file.remembered() == Head(400, SHA256)


def test_a_transaction_that_is_not_committed_is_not_remembered(site: Site) -> None:
    head = site.write()

    def break_off() -> None:
        with site.opened() as ledger, ledger.write() as transaction:
            transaction.record("lane.recovered", "lane", "x", "DWP")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        break_off()
    assert site.head_file.remembered() == head


def test_a_record_that_cannot_be_kept_stops_nothing(site: Site, tmp_path: Path) -> None:
    (tmp_path / "ledger-head").symlink_to(tmp_path / "elsewhere")
    site.write()
    assert not (tmp_path / "elsewhere").exists()
    site.check()


@given(st.integers(1, 10**18), st.integers(0, 102), st.integers(0, 255))
def test_a_torn_or_altered_record_counts_as_none(
    tmp_path_factory: pytest.TempPathFactory, number: int, at: int, byte: int
) -> None:
    path = tmp_path_factory.getbasetemp() / f"head-file-{os.getpid()}"
    head_file = HeadFile(path)
    path.unlink(missing_ok=True)
    head_file.remember(Head(number, SHA256))
    content = path.read_bytes()
    altered = content[:at] + bytes([byte]) + content[at + 1 :]
    path.write_bytes(altered)
    known = head_file.remembered()
    assert known == (Head(number, SHA256) if altered.split() == content.split() else None)
    path.write_bytes(content[:at])
    assert head_file.remembered() in (None, Head(number, SHA256))
