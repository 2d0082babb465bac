"""Who agreed to a request that takes two people, or declined; that it is another than who asked, by the database itself: `requests`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.ledger.migrations.dialects import rule, where

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns. Rows from before are those of commands, which say nothing in them: their digests in the chain hold."""
    # As text: SQLite adds a constraint to a table only together with a column, and Alembic would leave it out.
    op.execute(
        "ALTER TABLE requests ADD COLUMN decider TEXT CONSTRAINT another_decides CHECK (decider IS NULL OR decider <> actor)"
    )
    op.add_column("requests", sa.Column("decider_reason", sa.Text(), nullable=True))
    op.add_column("requests", sa.Column("decided", sa.Float(), nullable=True))
    two = rule("takes IS NOT 2 OR state NOT IN ('asked', 'done') OR decider IS NOT NULL OR salt LIKE 'erased:%'")
    op.execute(f"ALTER TABLE requests ADD COLUMN takes INTEGER CONSTRAINT two_people_where_it_takes_two CHECK ({two})")
    op.create_index("requests_proposed", "requests", ["key"], unique=False, **where("state = 'proposed'"))
