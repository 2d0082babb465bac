"""PostgreSQL's word that a ledger is closed, which `postgresql.guards` makes as it makes the chain's head: no table of the ledger's own
changes, and SQLite's has none of it.
"""

from __future__ import annotations

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Nothing but the number, which has a program look for it."""
