"""What triage remembers of documents: keyed digests, never data."""

from __future__ import annotations

from alembic import op
from sqlalchemy import Column, Integer, PrimaryKeyConstraint

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables: empty, so that what came before is not known."""
    op.create_table(
        "marks",
        Column("digest", Integer, nullable=False),
        Column("transfer", Integer, nullable=False),
        Column("record", Integer, nullable=False),
        Column("day", Integer),
        Column("at", Integer, nullable=False),
        PrimaryKeyConstraint("digest", "transfer", "record"),
        sqlite_with_rowid=False,
    )
    op.create_index("marks_by_transfer", "marks", ["transfer"])
    op.create_table(
        "claim_marks",
        Column("transfer", Integer, nullable=False),
        Column("record", Integer, nullable=False),
        Column("digest", Integer, nullable=False),
        PrimaryKeyConstraint("transfer", "record", "digest"),
        sqlite_with_rowid=False,
    )
