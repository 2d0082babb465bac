"""An index by which what landed in the last day is counted, for `[limits] day_bytes`."""

from __future__ import annotations

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the index: a second for a million consignments."""
    op.create_index("consignments_by_created", "consignments", ["direction", "created"])
