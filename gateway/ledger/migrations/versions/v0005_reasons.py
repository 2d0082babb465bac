"""What people gave as the reason of a decision, apart from the chain, so that it can be erased: `reasons`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table. Reasons in events of before stay there: the chain holds them."""
    op.create_table(
        "reasons",
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("salt", sa.String(), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("sequence"),
    )
