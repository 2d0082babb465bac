"""A salt for each row: what its digest in the chain hides the personal columns with (`ledger.commitment`)."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.ledger.migrations.dialects import is_sqlite

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns, and draw the salts."""
    for table in ("transfers", "consignments", "receipts", "lanes", "quarantine", "requests"):
        op.add_column(table, sa.Column("salt", sa.String(), nullable=False, server_default=""))
        if is_sqlite():
            op.execute(f"UPDATE {table} SET salt = lower(hex(randomblob(16)))")  # noqa: S608 - a table's name
