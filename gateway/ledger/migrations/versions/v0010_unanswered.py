"""An index of what was delivered and not answered, by flow, partner and age: of a backlog the oldest is asked for often."""

from __future__ import annotations

from alembic import op

from gateway.ledger.migrations.dialects import where

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the index: a second for a million transfers."""
    op.create_index(
        "transfers_unanswered",
        "transfers",
        ["flow", "partner", "updated"],
        **where(
            "state || '' = 'delivered' AND direction || '' = 'in' AND answer_file IS NULL AND redirected_to IS NULL"
        ),
    )
