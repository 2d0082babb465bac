"""A site that has been there since yesterday: nobody can wait for midnight in a test."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing

from gateway.ledger.head_file import HeadFile
from gateway.ledger.store import Ledger
from gateway.settings.home import Home

DAY = 86_400.0


def begin_yesterday(home: Home, partner: str) -> None:
    """The chain anew, with one event, of the day before: that partner takes statements."""
    with closing(sqlite3.connect(home.ledger)) as connection, connection:
        connection.execute("DELETE FROM events")
        connection.execute("DELETE FROM reasons")
    home.ledger_head.unlink(missing_ok=True)
    head_file = HeadFile(home.ledger_head)
    ledger = Ledger(home.ledger, clock=lambda: time.time() - DAY, role="test", head_file=head_file)
    with ledger.write() as transaction:
        transaction.record("statement.agreed", "statement", f"statement/{partner}", partner)
    ledger.close()
