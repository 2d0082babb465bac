"""Whose directories a transfer's file lies in where a site has nodes: a dropped file, or a copy that is about to be delivered."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column."""
    op.add_column("transfers", sa.Column("node", sa.String(), nullable=True))
