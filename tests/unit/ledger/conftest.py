"""Fixtures: two sites that have exchanged files, to work on; and copies of such ledgers, to spoil."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.ledger.place import Place
from gateway.ledger.store import Ledger
from tests.fakes.ledgers import Ledgers, PostgresqlLedgers, kind, on_postgresql
from tests.fakes.two_ledgers import Pair, change, two_ledgers


@dataclass(frozen=True)
class Books:
    """A copy of one site's ledger."""

    ledger: Ledger

    def sql(self, statement: str, *values: object) -> int:
        return change(self.ledger, statement, *values)


@dataclass(frozen=True)
class BothBooks:
    """Copies of the ledgers of two sites that exchanged files."""

    dwp: Books
    la: Books


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def ledgers(request: pytest.FixtureRequest) -> Ledgers:
    """Each kind of database that a ledger may lie in: what asks for it is the contract of both."""
    return kind(request.param)


@pytest.fixture
def pair(tmp_path: Path, ledgers: Ledgers) -> Iterator[Pair]:
    """Sites with empty ledgers."""
    with two_ledgers(tmp_path, ledgers=ledgers) as made:
        yield made


def _exchange(pair: Pair) -> None:
    """Files both ways, in three consignments; one file is rejected, one is held."""
    pair.dwp.submit("a.xml", b"claim a")
    pair.dwp.submit("b.xml", b"claim b")
    pair.dwp.submit("w.xml", b"wrong")
    pair.work()
    pair.la.submit("hbE09000030.csv", b"extract", flow="extract")
    pair.work()
    pair.dwp.submit("c.xml", b"claim c")
    pair.dwp.submit("again.xml", b"claim a")
    pair.work()


@pytest.fixture
def busy(pair: Pair) -> Pair:
    """Sites that have exchanged files."""
    _exchange(pair)
    return pair


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory, ledgers: Ledgers) -> tuple[Place, Place]:
    """The ledgers of two sites that have exchanged files, the Department's first."""
    directory = tmp_path_factory.mktemp("books")
    with two_ledgers(directory / "sites", ledgers=ledgers) as pair:
        _exchange(pair)
        return pair.dwp.snapshot(directory / "dwp.sqlite3"), pair.la.snapshot(directory / "la.sqlite3")


@pytest.fixture
def books(written: tuple[Place, Place], ledgers: Ledgers, tmp_path: Path) -> Iterator[BothBooks]:
    """Copies of those ledgers: whatever a test does to them, it does alone."""
    made = []
    for name, place in zip(("dwp", "la"), written, strict=True):
        copy = ledgers.copy(place, tmp_path / f"{name}.sqlite3")
        made.append(Books(Ledger(copy, clock=lambda: 0.0, role="test")))
    yield BothBooks(*made)
    for each in made:
        each.ledger.close()


@pytest.fixture(scope="module")
def server() -> PostgresqlLedgers:
    """Skips the test where PostgreSQL is not installed."""
    return on_postgresql()


@pytest.fixture
def place(server: PostgresqlLedgers, tmp_path: Path) -> str:
    """A ledger with its tables and nothing in them, in a database."""
    return str(server.new(tmp_path))
