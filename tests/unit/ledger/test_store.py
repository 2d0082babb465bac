"""Transactions: all of it or nothing, the events with it, and no move that the itineraries do not have."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from gateway.domain.states import Direction, State
from gateway.errors import (
    DiskFailed,
    DiskFull,
    ImpossibleMove,
    LedgerBusy,
    LedgerCorrupt,
    LedgerSchema,
    LedgerUnavailable,
    SiteMissing,
)
from gateway.ledger.chain import EMPTY, verify
from gateway.ledger.integrity import check, translate
from gateway.ledger.place import Place
from gateway.ledger.queries import events, overview
from gateway.ledger.store import Ledger, Transaction, read_head
from gateway.ledger.tables import TRANSFERS
from tests.fakes.ledgers import Ledgers

ID = "019ab5f0-1c2d-7abc-8def-0123456789ab"


class Book:
    def __init__(self, place: Place) -> None:
        self.place = place
        self.said: list[tuple[str, Mapping[str, Any]]] = []
        self.ledger = Ledger(place, clock=lambda: 1000.0, role="vault", announce=self.said.extend)


@pytest.fixture
def book(tmp_path: Path, ledgers: Ledgers) -> Iterator[Book]:
    made = Book(ledgers.new(tmp_path / "ledger" / "ledger.sqlite3"))
    yield made
    made.ledger.close()


def admit(transaction: Transaction, identity: str = ID) -> int:
    event = transaction.record("transfer.admitted", "transfer", identity, "DWP", bytes=5, log={"name": "a.xml"})
    row = {
        "id": identity,
        "direction": "out",
        "flow": "claim",
        "partner": "DWP",
        "name": "a.xml",
        "size": 5,
        "sha256": "f" * 64,
        "state": "admitted",
        "event": event,
    }
    transaction.insert(TRANSFERS, [row])
    return event


def test_what_has_to_be_durable_before_a_commit_is_asked_for_once_and_its_failure_commits_nothing(book: Book) -> None:
    asked: list[str] = []

    def fail() -> None:
        asked.append("directory")
        raise DiskFailed("making a directory durable")

    with pytest.raises(DiskFailed), book.ledger.write() as transaction:  # noqa: PT012 - the failure comes at its end
        admit(transaction)
        transaction.beforehand["directory"] = fail
        transaction.beforehand["directory"] = fail
    assert asked == ["directory"]
    assert book.said == []
    with book.ledger.read() as connection:
        assert list(overview.transfers(connection)) == []


def test_rows_and_events_are_committed_together_and_then_announced(book: Book) -> None:
    order: list[str] = []
    with book.ledger.write() as transaction:
        admit(transaction)
        transaction.afterwards.append(lambda: order.append("afterwards"))
        assert book.said == []
    assert order == ["afterwards"]
    assert book.said == [("transfer.admitted", {"bytes": 5, "name": "a.xml", "transfer": ID, "partner": "DWP"})]
    with book.ledger.read() as connection:
        (row,) = overview.transfers(connection)
        entry, committed = verify(events.chain(connection))
    assert (row.state, row.created, row.event) == ("admitted", 1000.0, 1)
    assert (entry.subject, entry.role, entry.detail) == (ID, "vault", '{"bytes":5}')
    assert (committed.event, list(json.loads(committed.detail)["transfers"])) == ("ledger.committed", ["1"])


def test_nothing_stays_of_a_transaction_that_fails(book: Book) -> None:
    def half() -> None:
        with book.ledger.write() as transaction:
            admit(transaction)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half()
    assert book.said == []
    with book.ledger.read() as connection:
        assert overview.transfers(connection) == []
        assert read_head(connection) == EMPTY


def test_move_that_the_itinerary_lacks_is_refused(book: Book) -> None:
    with book.ledger.write() as transaction:
        admit(transaction)
    with pytest.raises(ImpossibleMove), book.ledger.write() as transaction:
        transaction.move(TRANSFERS, Direction.OUT, State.ADMITTED, [{"key": 1, "state": State.SENT}])


def test_row_that_somebody_else_moved_is_not_moved_again(book: Book) -> None:
    with book.ledger.write() as transaction:
        admit(transaction)
    change = [{"key": 1, "state": State.VALIDATED}]
    with book.ledger.write() as transaction:
        transaction.move(TRANSFERS, Direction.OUT, State.ADMITTED, change)

    def again() -> None:
        with book.ledger.write() as transaction:
            transaction.record("transfer.validated", "transfer", ID)
            transaction.move(TRANSFERS, Direction.OUT, State.ADMITTED, change)

    with pytest.raises(ImpossibleMove, match="no longer"):
        again()
    with book.ledger.read() as connection:
        assert read_head(connection).sequence == 3, "two transactions, of three events"


def test_claims_count_until_the_move(book: Book) -> None:
    with book.ledger.write() as transaction:
        admit(transaction)
    for expected in (1, 2):
        with book.ledger.write() as transaction:
            transaction.claim(TRANSFERS, [1])
        with book.ledger.read() as connection:
            assert overview.transfers(connection)[0].claims == expected
    with book.ledger.write() as transaction:
        transaction.move(TRANSFERS, Direction.OUT, State.ADMITTED, [{"key": 1, "state": State.VALIDATED}])
    with book.ledger.read() as connection:
        assert overview.transfers(connection)[0].claims == 0


def test_lane_is_made_at_its_first_use_and_kept(book: Book) -> None:
    with book.ledger.write() as transaction:
        assert transaction.lane("DWP").sequence == 0
        transaction.set_lane("DWP", sequence=7)
        assert transaction.lane("DWP").sequence == 7


def test_writers_wait_for_each_other_and_the_chain_stays_whole(book: Book) -> None:
    def write(number: int) -> None:
        for turn in range(10):
            with book.ledger.write() as transaction:
                transaction.record("lane.deferred", "lane", f"P{number}", turn=turn)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    with book.ledger.read() as connection:
        assert len(list(verify(events.chain(connection)))) == 40


def test_durability_is_as_promised(book: Book) -> None:
    with book.ledger.read() as connection:
        if connection.dialect.name == "postgresql":
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
            return
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL


def test_ledger_of_another_version_is_refused(book: Book) -> None:
    book.ledger.check()
    with book.ledger.write() as transaction:
        transaction.connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        if (
            transaction.connection.dialect.name == "postgresql"
        ):  # where a newer ledger may say that older programs go on
            transaction.connection.exec_driver_sql("UPDATE least_program SET schema = '9999'")
    with pytest.raises(LedgerSchema, match="9999"):
        book.ledger.check()


def test_newer_ledger_in_postgresql_is_worked_with_where_it_says_so_and_never_read_as_a_whole(book: Book) -> None:
    with book.ledger.write() as transaction:
        if transaction.connection.dialect.name != "postgresql":
            pytest.skip("SQLite's has one program at a time")
        transaction.connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    book.ledger.check()
    with pytest.raises(LedgerSchema, match="has to do this"):
        check(book.place, exact=True)


def test_missing_ledger_is_a_missing_site(tmp_path: Path) -> None:
    with pytest.raises(SiteMissing):
        Ledger(tmp_path / "none.sqlite3", clock=lambda: 0.0, role="vault")


def test_file_that_is_no_database_is_a_corrupt_ledger(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    path.write_bytes(b"no database at all" * 100)
    ledger = Ledger(path, clock=lambda: 0.0, role="vault")
    with pytest.raises(LedgerCorrupt):
        ledger.check()
    ledger.close()


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (sqlite3.SQLITE_BUSY, LedgerBusy),
        (sqlite3.SQLITE_LOCKED, LedgerBusy),
        (sqlite3.SQLITE_FULL, DiskFull),
        (sqlite3.SQLITE_CORRUPT, LedgerCorrupt),
        (sqlite3.SQLITE_NOTADB, LedgerCorrupt),
        (sqlite3.SQLITE_CONSTRAINT_UNIQUE, ImpossibleMove),
        (sqlite3.SQLITE_IOERR_WRITE, LedgerUnavailable),
        (sqlite3.SQLITE_READONLY, LedgerUnavailable),
    ],
)
def test_every_error_of_sqlite_has_a_word_of_ours_without_its_parameters(code: int, expected: type[Exception]) -> None:
    said = sqlite3.OperationalError("what it said")
    said.sqlite_errorcode = code
    error = translate(OperationalError("INSERT", {"name": "QQ123456C.xml"}, said))
    assert type(error) is expected
    assert "QQ123456C" not in str(error)
    assert type(translate(said)) is expected
