"""Making a ledger, and bringing an old one up to date, by Alembic's migrations.

Kept apart from the store because Alembic is slow to import and the roles never need it.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util import CommandError
from sqlalchemy.exc import SQLAlchemyError

from gateway.errors import LedgerSchema
from gateway.ledger.integrity import translate
from gateway.ledger.store import open_engine


def migrate(path: Path) -> None:
    """Create the ledger at `path`, or bring it to the newest version, in one transaction. The file's mode is 0600.

    LedgerSchema for a version that this program does not know, and what `translate` gives; then nothing is changed.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600))
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    engine = open_engine(path)
    try:
        with engine.connect().execution_options(gateway_write=True) as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
            connection.commit()
    except CommandError as error:
        raise LedgerSchema("the ledger is of a version that this program does not know") from error
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise translate(error) from error
    finally:
        engine.dispose()
