"""`ledger.copying`: the same chain and the same rows, from SQLite to PostgreSQL and back, however often it is broken off."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import select

from gateway.domain.decision import Decision
from gateway.errors import LedgerCorrupt, LedgerMoved, UsageWrong
from gateway.ledger import copying, legal_holds
from gateway.ledger.audit.schema import check_schema
from gateway.ledger.head_file import HeadFile
from gateway.ledger.place import Place
from gateway.ledger.store import Ledger
from gateway.ledger.tables import METADATA
from tests.deciding import COPIES
from tests.fakes.ledgers import PostgresqlLedgers, SqliteLedgers
from tests.fakes.two_ledgers import Pair, two_ledgers
from tests.unit.cli.conftest import Run, run
from tests.unit.ledger.conftest import _exchange

__all__ = ["run"]


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    """Sites that have exchanged files, on SQLite."""
    with two_ledgers(tmp_path, ledgers=SqliteLedgers()) as made:
        made.dwp.configure()
        _exchange(made)
        yield made


def content(place: Place) -> dict[str, list[Any]]:
    with closing(Ledger(place, clock=lambda: 0.0, role="test")) as ledger, ledger.read() as connection:
        assert [*check_schema(connection)] == []
        return {
            name: [tuple(row) for row in connection.execute(select(table).order_by(*table.primary_key))]
            for name, table in METADATA.tables.items()
        }


def silent(_what: str, _count: int) -> None:
    """Nobody watches."""


def test_there_and_back_again_everything_is_the_same(pair: Pair, server: PostgresqlLedgers, tmp_path: Path) -> None:
    source, target = pair.dwp.home.ledger, server.empty()
    whole = content(source)
    planned = copying.plan(source, target)
    assert (planned.head.sequence, planned.there.sequence) == (len(whole["events"]), 0)
    done = copying.copy(source, target, silent)
    assert (done.events, done.head) == (len(whole["events"]), planned.head)
    assert done.rows == done.written == sum(map(len, whole.values())) - done.events
    assert content(target) == whole
    # What goes on there comes back, and the numbers of rows go on too.
    with closing(Ledger(target, clock=lambda: 1_795_100_000.0, role="test")) as ledger, ledger.write() as transaction:
        legal_holds.place(transaction, "h", "partner", "E09000030", "E09000030", Decision("somebody", "a case"))
    back = tmp_path / "back.sqlite3"
    copying.copy(target, back, silent)
    assert content(back) == content(target) != whole
    # The old file is a copy that is behind: it is brought up to it.
    assert copying.copy(back, source, silent).events == 2
    assert content(source) == content(back)


def test_a_copy_that_is_broken_off_goes_on_and_mends_what_was_changed_meanwhile(
    pair: Pair, server: PostgresqlLedgers, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, target = pair.dwp.home.ledger, server.empty()
    monkeypatch.setattr(copying, "_EVENTS", 7)
    monkeypatch.setattr(copying, "_ROWS", 2)
    for stop in ("events", "transfers"):
        with pytest.raises(KeyboardInterrupt):
            copying.copy(source, target, breaking_at(stop))
    pair.dwp.sql("UPDATE transfers SET claims = 2 WHERE key = 1")  # working state: the chain says nothing of it
    pair.dwp.submit("later.xml", b"later")
    done = copying.copy(source, target, silent)
    assert 0 < done.events < done.head.sequence
    assert content(target) == content(source)


def breaking_at(what: str) -> copying.Watch:
    def watch(about: str, count: int) -> None:
        if about == what and count > 2:
            raise KeyboardInterrupt

    return watch


def write(place: Place, head_file: HeadFile | None = None) -> None:
    """As a role that starts."""
    with closing(Ledger(place, clock=lambda: 1_795_100_000.0, role="test", head_file=head_file)) as ledger:
        ledger.check()
        with ledger.write() as transaction:
            transaction.record("lane.recovered", "lane", "E09000030", "E09000030")


def test_a_database_that_was_copied_from_is_closed_until_the_ledger_comes_back(
    pair: Pair, server: PostgresqlLedgers, tmp_path: Path
) -> None:
    """A node that was left over would go on with it: its own head file knows of nothing newer."""
    target, file = server.empty(), tmp_path / "file.sqlite3"
    copying.copy(pair.dwp.home.ledger, target, silent)
    write(target)
    with closing(Ledger(target, clock=lambda: 0.0, role="test")) as at_work:
        with at_work.read():
            pass
        copying.copy(target, file, silent)
        with pytest.raises(LedgerMoved, match=f"to {file} on machine"), at_work.write():
            pytest.fail("a process that was there before goes on")
        with pytest.raises(LedgerMoved), at_work.beside_chain():
            pytest.fail("so does a heartbeat")
    whole = content(target)
    for head_file in (None, HeadFile(tmp_path / "head")):
        with pytest.raises(LedgerMoved, match=f"up to event {len(whole['events'])}, to {file} on machine"):
            write(target, head_file)
    with pytest.raises(LedgerMoved):
        copying.copy(target, server.empty(), silent)
    with psycopg.connect(target) as by_older_program, pytest.raises(psycopg.errors.RaiseException, match="closed"):
        by_older_program.execute(
            "INSERT INTO events SELECT 1 + max(sequence), '', '', '', '', '', '', '', '', '' FROM events"
        )
    assert content(target) == whole
    write(file)
    copying.copy(file, target, silent)
    write(target)
    assert len(content(target)["events"]) == len(whole["events"]) + 2


def test_a_copy_that_is_broken_off_closes_nothing_and_opens_nothing(
    pair: Pair, server: PostgresqlLedgers, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    target, file = server.empty(), tmp_path / "file.sqlite3"
    copying.copy(pair.dwp.home.ledger, target, silent)
    monkeypatch.setattr(copying, "_ROWS", 2)
    with pytest.raises(KeyboardInterrupt):
        copying.copy(target, file, breaking_at("transfers"))
    write(target)
    copying.copy(target, file, silent)
    write(file)
    with pytest.raises(KeyboardInterrupt):
        copying.copy(file, target, breaking_at("transfers"))
    with pytest.raises(LedgerMoved):
        write(target)


def test_another_sites_ledger_and_one_that_has_gone_on_are_left_alone(pair: Pair, server: PostgresqlLedgers) -> None:
    target = server.empty()
    copying.copy(pair.la.home.ledger, target, silent)
    whole = content(target)
    with pytest.raises(UsageWrong, match="another chain"):
        copying.copy(pair.dwp.home.ledger, target, silent)
    with closing(Ledger(target, clock=lambda: 1_795_100_000.0, role="test")) as ledger, ledger.write() as transaction:
        transaction.record("ledger.copying", "site", "E09000030")
    with pytest.raises(UsageWrong, match="gone on by itself"):
        copying.copy(pair.la.home.ledger, target, silent)
    assert content(target)["transfers"] == whole["transfers"]


def test_what_somebody_edited_is_copied_and_told(pair: Pair, server: PostgresqlLedgers) -> None:
    pair.dwp.sql("UPDATE transfers SET size = size + 1 WHERE key = 1")
    with pytest.raises(LedgerCorrupt, match="transfer"):
        copying.copy(pair.dwp.home.ledger, server.empty(), silent)


def test_the_command_says_what_it_would_do_does_it_and_is_in_both_chains(
    pair: Pair, server: PostgresqlLedgers, run: Run
) -> None:
    target, before = server.empty(), content(pair.dwp.home.ledger)
    dry = run(pair.dwp, "ledger", "copy", "--to", target, "--dry-run", "--json")
    assert dry.data["events"] == len(before["events"])
    assert "stop the gateway first, at every node" in run(pair.dwp, "ledger", "copy", "--to", target, "--dry-run").err
    assert content(pair.dwp.home.ledger) == before
    said = run(pair.dwp, "ledger", "copy", "--to", target, "--reason", "because of the test")
    assert said.status == 0, said.err
    assert "The copy's chain and rows are verified." in said.out
    assert f'url = "{target}"' in said.err
    for place in (pair.dwp.home.ledger, target):
        (about,) = [row for row in content(place)["events"] if row[3] == COPIES["ledger copy"]]
        assert "actor" in json.loads(about[7])
    assert content(target) == content(pair.dwp.home.ledger)
    assert run(pair.dwp, "ledger", "copy", "--to", "sqlite").status != 0, "it is there already"
    refused = run(pair.dwp, "ledger", "copy", "--to", "postgresql://me:secret@db/ledger")
    assert refused.status != 0
    assert "secret" not in refused.err
