"""Ledgers as earlier versions of the program made them."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config

from gateway.ledger import migrate as module
from gateway.ledger.engine import open_engine


def at_version(path: Path, version: str) -> None:
    """A ledger as the program of that version made it."""
    path.touch()
    config = Config()
    config.set_main_option("script_location", str(Path(module.__file__).parent / "migrations"))
    engine = open_engine(path)
    try:
        with engine.connect().execution_options(gateway_write=True) as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, version)
            connection.commit()
    finally:
        engine.dispose()
