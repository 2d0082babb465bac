"""At which node a request was asked, where only that node can answer it; and which node serves the console, and how each is
configured. Empty where one gateway works alone.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns."""
    op.add_column("requests", sa.Column("node", sa.String(), nullable=True))
    op.add_column("nodes", sa.Column("console", sa.Float(), nullable=True))
    op.add_column("nodes", sa.Column("likeness", sa.String(), nullable=True))
