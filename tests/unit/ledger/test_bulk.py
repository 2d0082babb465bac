"""Rows that are written by the hundred: all columns or nothing, and a broken rule takes the whole transaction back."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select
from sqlalchemy.exc import DBAPIError

from gateway.errors import ImpossibleMove, LedgerUnavailable
from gateway.ledger.bulk import insert_rows
from gateway.ledger.engine import driver_of
from gateway.ledger.store import Ledger, read_head
from gateway.ledger.tables import CONSIGNMENTS
from tests.fakes.ledgers import Ledgers


@pytest.fixture
def ledger(tmp_path: Path, ledgers: Ledgers) -> Ledger:
    return Ledger(ledgers.new(tmp_path / "ledger.sqlite3"), clock=lambda: 1000.0, role="vault")


def row(identity: str, **more: Any) -> dict[str, Any]:
    given = {"id": identity, "direction": "in", "partner": "E09000030", "state": "landed"}
    return {**given, "created": 1.0, "updated": 1.0, "salt": "", **more}


def test_rows_get_the_defaults_of_their_columns(ledger: Ledger) -> None:
    with ledger.write() as transaction:
        insert_rows(transaction.connection, CONSIGNMENTS, [row("a"), row("b")])
    with ledger.read() as connection:
        found = connection.execute(select(CONSIGNMENTS).order_by(CONSIGNMENTS.c.key)).all()
    assert [(each.id, each.items, each.claims, each.due) for each in found] == [("a", 0, 0, 0.0), ("b", 0, 0, 0.0)]
    ledger.close()


@pytest.mark.parametrize("odd", [{"items": 3}, {"nothing": 1}])
def test_a_row_with_a_column_more_is_not_written_without_it(ledger: Ledger, odd: dict[str, Any]) -> None:
    with ledger.write() as transaction, pytest.raises(ValueError, match="different columns"):
        insert_rows(transaction.connection, CONSIGNMENTS, [row("a"), row("b", **odd)])
    ledger.close()


def test_a_broken_rule_in_the_last_row_leaves_nothing_of_the_transaction(ledger: Ledger) -> None:
    def write() -> None:
        with ledger.write() as transaction:
            transaction.record("partner.added", "partner", "E09000030")
            insert_rows(transaction.connection, CONSIGNMENTS, [row("a"), row("b"), row("a")])

    with pytest.raises(ImpossibleMove):
        write()
    with ledger.write() as transaction:
        assert transaction.head().sequence == 0
        assert transaction.connection.execute(select(CONSIGNMENTS)).first() is None
    ledger.close()


@pytest.mark.parametrize("way", ["nothing", "bulk", "plain", "event"])
def test_who_swallows_a_broken_rule_does_not_go_on_without_a_transaction(ledger: Ledger, way: str) -> None:
    def write() -> None:
        with ledger.write() as transaction:
            transaction.record("partner.added", "partner", "E09000030")
            with suppress(sqlite3.IntegrityError, DBAPIError):
                insert_rows(transaction.connection, CONSIGNMENTS, [row("a"), row("a")])
            if way == "bulk":
                insert_rows(transaction.connection, CONSIGNMENTS, [row("b")])
            elif way == "plain":
                transaction.connection.execute(insert(CONSIGNMENTS).values(row("b")))
            elif way == "event":
                transaction.record("partner.removed", "partner", "E09000030")

    with pytest.raises((LedgerUnavailable, ImpossibleMove)):
        write()
    with ledger.write() as transaction:  # another connection, with its triggers
        assert transaction.head().sequence == 0
        insert_rows(transaction.connection, CONSIGNMENTS, [row("c")])
    with ledger.read() as connection:
        assert connection.execute(select(CONSIGNMENTS.c.id)).scalars().all() == ["c"]
        assert read_head(connection).sequence == 1
    ledger.close()


def test_a_transaction_that_ended_early_is_not_taken_for_a_commit(ledger: Ledger) -> None:
    def write() -> None:
        with ledger.write() as transaction:
            transaction.record("partner.added", "partner", "E09000030")
            driver_of(transaction.connection).execute("ROLLBACK")

    with pytest.raises(ImpossibleMove, match="before its end"):
        write()
    with ledger.read() as connection:
        assert read_head(connection).sequence == 0
    ledger.close()
