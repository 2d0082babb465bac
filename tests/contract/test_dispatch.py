"""What every dispatch promises: whoever works on a lane is told to look once the transaction is committed, and never before or without."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gateway.ledger.store import read_head
from tests.fakes.dispatching import PARTNERS, Road, across_nodes, embedded


@pytest.fixture(params=[embedded, across_nodes])
def road(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Road]:
    made: Road = request.param(tmp_path)
    with closing(made.ledger):
        yield made


def test_whoever_is_woken_finds_what_was_committed(road: Road) -> None:
    with road.listens():
        written = road.write(PARTNERS[0])
        assert road.rung.heard() == written
        assert road.rung.is_quiet()


def test_a_transaction_that_was_taken_back_wakes_nobody(road: Road) -> None:
    with road.listens():
        with pytest.raises(RuntimeError), road.ledger.write() as transaction:  # noqa: PT012 - both of it
            transaction.record("transfer.admitted", "transfer", "1", PARTNERS[0])
            raise RuntimeError
        assert road.rung.is_quiet()


def test_five_hundred_rows_wake_once(road: Road) -> None:
    with road.listens():
        written = road.write(PARTNERS[0], rows=500)
        assert road.rung.heard() == written
        assert road.rung.is_quiet()


def test_lanes_of_one_node_wake_it_once(road: Road) -> None:
    with road.listens():
        written = road.write(*PARTNERS)
        assert road.rung.heard() == written
        assert road.rung.is_quiet()


def test_what_no_row_speaks_of_wakes_too(road: Road) -> None:
    with road.listens():
        with road.ledger.read() as connection:
            before = read_head(connection).sequence
        road.ledger.wake([PARTNERS[0]])
        assert road.rung.heard() == before


def test_nothing_fails_where_nobody_listens_and_later_wake_ups_come(road: Road) -> None:
    with road.listens():
        pass
    road.write(PARTNERS[0])
    if not road.greets:  # one machine: its roles look when they start
        road.rung.heard()
    with road.listens():
        written = road.write(PARTNERS[0])
        assert road.rung.heard() == written
