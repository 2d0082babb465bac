"""Indices by which people look transfers up: by name, by reference, by age."""

from __future__ import annotations

from alembic import op

from gateway.ledger.migrations.dialects import where

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the indices: a second for a million transfers."""
    op.create_index("transfers_by_name", "transfers", ["name"])
    op.create_index("transfers_by_reference", "transfers", ["reference"], **where("reference IS NOT NULL"))
    op.create_index("transfers_by_created", "transfers", ["created"])
