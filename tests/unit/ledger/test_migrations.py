"""The migrations make the tables that the program knows."""

from __future__ import annotations

import stat
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from gateway.ledger import migrate as module
from gateway.ledger.integrity import SCHEMA_VERSION
from gateway.ledger.migrate import migrate
from gateway.ledger.store import open_engine
from gateway.ledger.tables import METADATA


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
