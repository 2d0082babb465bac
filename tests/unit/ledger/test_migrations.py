"""The migrations make the tables that the program knows."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from gateway.domain.states import Direction, State
from gateway.errors import LedgerSchema
from gateway.ledger import migrate as module
from gateway.ledger.check_units import Check, Form, Incident, Opening, Printing
from gateway.ledger.engine import open_engine
from gateway.ledger.integrity import SCHEMA_VERSION, check
from gateway.ledger.migrate import migrate
from gateway.ledger.queries import back_office_answers, backlog, custody
from gateway.ledger.queries.overview import transfers
from gateway.ledger.queries.receipts import receipt_to_join, receipts_about
from gateway.ledger.store import Ledger
from gateway.ledger.tables import METADATA
from gateway.ledger.units import Consignment, Lane, Quarantined, Receipt, Request, Transfer
from tests.fakes.older_ledger import at_version


def test_schema_equals_the_replayed_migrations(tmp_path: Path) -> None:
    migrate(tmp_path / "ledger.sqlite3")
    engine = open_engine(tmp_path / "ledger.sqlite3")
    try:
        with engine.connect() as connection:
            assert compare_metadata(MigrationContext.configure(connection), METADATA) == []
            inspector = inspect(connection)
            assert set(inspector.get_table_names()) == {*METADATA.tables, "alembic_version"}
            for name, table in METADATA.tables.items():
                columns = {column["name"]: column["nullable"] for column in inspector.get_columns(name)}
                assert columns == {column.name: column.nullable for column in table.columns}
                assert {index["name"] for index in inspector.get_indexes(name)} == {i.name for i in table.indexes}
    finally:
        engine.dispose()


def test_newest_migration_is_the_version_that_the_store_asks_for() -> None:
    versions = Path(module.__file__).parent / "migrations" / "versions"
    assert max(path.stem[1:5] for path in versions.glob("v*.py")) == SCHEMA_VERSION


def test_migrating_again_changes_nothing_and_the_file_is_private(tmp_path: Path) -> None:
    path = tmp_path / "state" / "ledger.sqlite3"
    migrate(path)
    migrate(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    ("unit", "table"),
    [
        (Transfer, "transfers"),
        (Consignment, "consignments"),
        (Receipt, "receipts"),
        (Lane, "lanes"),
        (Quarantined, "quarantine"),
        (Request, "requests"),
        (Opening, "openings"),
        (Check, "checks"),
        (Printing, "printings"),
        (Incident, "incidents"),
        (Form, "forms"),
    ],
)
def test_a_unit_has_the_columns_of_its_table_in_their_order(unit: type[Transfer], table: str) -> None:
    assert unit._fields == tuple(METADATA.tables[table].columns.keys())


TRANSFER = (
    "INSERT INTO transfers (id, direction, flow, partner, name, size, sha256, custody, origin, placed, word, untold, state,"
    " claims, attempts, due, event, created, updated) VALUES (:id, :way, 'claim', 'DWP', 'a.xml', 1, 'aa', :custody, :origin,"
    " :placed, :word, :untold, :state, 0, 0, 0, 1, 1, 1)"
)
RECEIPT = (
    "INSERT INTO receipts (direction, partner, consignment, level, body, state, claims, attempts, due, event, created,"
    " updated) VALUES ('out', 'DWP', 'c', 'ingested', :body, 'issued', 0, 0, 0, 1, 1, 1)"
)
NOTHING = {"custody": True, "origin": None, "placed": None, "word": None, "untold": False}


def test_an_older_ledger_is_brought_up_to_date_with_all_that_it_says(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    at_version(path, "0001")
    rows = [
        {"id": "dropped", "way": "out", "state": "admitted", **NOTHING, "origin": "1:2:3"},
        {"id": "heard", "way": "out", "state": "receipted", **NOTHING, "custody": False, "untold": True},
        {"id": "answered", "way": "in", "state": "ingested", **NOTHING, "placed": "a.xml", "word": "4:5:6"},
        {"id": "redirected", "way": "in", "state": "delivered", **NOTHING}
        | {"placed": "b.xml", "word": "redirected:other", "origin": "b.xml"},
        {"id": "waits", "way": "in", "state": "delivered", **NOTHING, "placed": "c.xml"},
    ]
    engine = open_engine(path)
    with engine.connect().execution_options(gateway_write=True) as connection:
        for row in rows:
            connection.execute(text(TRANSFER), row)
        for body in ('[{"transfer": "answered"}]', '{"items": []}', None):
            connection.execute(text(RECEIPT), {"body": body})
        connection.commit()
    engine.dispose()
    with pytest.raises(LedgerSchema):
        check(path)
    migrate(path)
    check(path)
    ledger = Ledger(path, clock=lambda: 2.0, role="test")
    try:
        with ledger.read() as connection:
            found = {row.id: row for row in transfers(connection)}
            assert [row.id for row in custody.not_set_aside(connection, None)] == ["dropped"]
            assert [row.id for row in custody.to_purge(connection)] == ["redirected"]
            assert [row.id for row in back_office_answers.to_notify(connection, 9)] == ["heard"]
            assert [row.id for row in backlog.unanswered(connection, 2.0)] == ["waits"]
            receipts = [(row.answers, row.body) for row in receipts_about(connection, "DWP", "c")]
            joined = receipt_to_join(connection, "DWP", "c", 1000)
    finally:
        ledger.close()
    assert receipts == [('[{"transfer": "answered"}]', None), (None, '{"items": []}'), (None, None)]
    assert joined is not None
    assert joined.answers == receipts[0][0]
    assert (found["dropped"].spool_file, found["dropped"].custody) == ("1:2:3", True)
    assert found["heard"].notify_pending
    answered, redirected = found["answered"], found["redirected"]
    assert (answered.delivered_name, answered.answer_file, answered.redirected_to) == ("a.xml", "4:5:6", None)
    assert (redirected.answer_file, redirected.redirected_to, redirected.purge_name) == (None, "other", "b.xml")
    assert redirected.spool_file is None
    assert not any(row.custody for row in found.values() if row.direction is Direction.IN)
    assert found["waits"].state is State.DELIVERED


def test_a_ledger_of_a_later_program_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite3"
    migrate(path)
    engine = open_engine(path)
    with engine.connect().execution_options(gateway_write=True) as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        connection.commit()
    engine.dispose()
    with pytest.raises(LedgerSchema):
        migrate(path)
    with pytest.raises(LedgerSchema, match="9999"):
        check(path)
