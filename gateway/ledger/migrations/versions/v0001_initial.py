"""The first ledger: transfers, consignments, receipts, events, lanes, quarantine."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.ledger.migrations.dialects import where

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create every table."""
    op.create_table(
        "consignments",
        sa.Column("key", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("direction", sa.String(), nullable=False),
        sa.Column("partner", sa.String(), nullable=False),
        sa.Column("sequence", sa.Integer(), nullable=True),
        sa.Column("flow", sa.String(), nullable=True),
        sa.Column("items", sa.Integer(), nullable=False),
        sa.Column("bytes", sa.Integer(), nullable=False),
        sa.Column("sealed_size", sa.Integer(), nullable=True),
        sa.Column("sealed_sha256", sa.String(), nullable=True),
        sa.Column("duplicates", sa.Text(), nullable=True),
        sa.Column("head_sequence", sa.Integer(), nullable=True),
        sa.Column("head_sha256", sa.String(), nullable=True),
        sa.Column("resends", sa.Integer(), nullable=False),
        sa.Column("expires", sa.Float(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("resume", sa.String(), nullable=True),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("claims", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due", sa.Float(), nullable=False),
        sa.Column("event", sa.Integer(), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("updated", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("direction", "partner", "id"),
        sa.UniqueConstraint("direction", "partner", "sequence"),
    )
    op.create_index("consignments_by_state", "consignments", ["state", "direction", "due"], unique=False)
    op.create_index("consignments_by_lane", "consignments", ["state", "direction", "partner", "claims"], unique=False)
    op.create_table(
        "events",
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("at", sa.String(), nullable=False),
        sa.Column("role", sa.String(), nullable=False),
        sa.Column("event", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("subject", sa.String(), nullable=False),
        sa.Column("partner", sa.String(), nullable=True),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("previous", sa.String(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.PrimaryKeyConstraint("sequence"),
    )
    op.create_index("events_by_subject", "events", ["subject"], unique=False)
    op.create_table(
        "lanes",
        sa.Column("partner", sa.String(), nullable=False),
        sa.Column("held", sa.Boolean(), nullable=False),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("due", sa.Float(), nullable=False),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("sequence", sa.Integer(), nullable=False),
        sa.Column("seen_sequence", sa.Integer(), nullable=True),
        sa.Column("seen_sha256", sa.String(), nullable=True),
        sa.Column("updated", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("partner"),
    )
    op.create_table(
        "quarantine",
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("consignment", sa.String(), nullable=False),
        sa.Column("partner", sa.String(), nullable=False),
        sa.Column("code", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("received", sa.Float(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("discarded", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("quarantine_by_time", "quarantine", ["received"], unique=False)
    op.create_table(
        "receipts",
        sa.Column("key", sa.Integer(), nullable=False),
        sa.Column("direction", sa.String(), nullable=False),
        sa.Column("partner", sa.String(), nullable=False),
        sa.Column("consignment", sa.String(), nullable=False),
        sa.Column("level", sa.String(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("sealed_size", sa.Integer(), nullable=True),
        sa.Column("sealed_sha256", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("resume", sa.String(), nullable=True),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("claims", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due", sa.Float(), nullable=False),
        sa.Column("event", sa.Integer(), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("updated", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("receipts_by_consignment", "receipts", ["consignment", "direction"], unique=False)
    op.create_index("receipts_by_state", "receipts", ["state", "direction", "due"], unique=False)
    op.create_index("receipts_by_lane", "receipts", ["state", "direction", "partner", "claims"], unique=False)
    op.create_table(
        "transfers",
        sa.Column("key", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("direction", sa.String(), nullable=False),
        sa.Column("flow", sa.String(), nullable=False),
        sa.Column("partner", sa.String(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("schema", sa.String(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("redirected_from", sa.String(), nullable=True),
        sa.Column("message_id", sa.String(), nullable=True),
        sa.Column("facts", sa.Text(), nullable=True),
        sa.Column("consignment", sa.String(), nullable=True),
        sa.Column("position", sa.Integer(), nullable=True),
        sa.Column("expires", sa.Float(), nullable=True),
        sa.Column("custody", sa.Boolean(), nullable=False),
        sa.Column("origin", sa.Text(), nullable=True),
        sa.Column("placed", sa.Text(), nullable=True),
        sa.Column("word", sa.Text(), nullable=True),
        sa.Column("untold", sa.Boolean(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("resume", sa.String(), nullable=True),
        sa.Column("code", sa.String(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("claims", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due", sa.Float(), nullable=False),
        sa.Column("event", sa.Integer(), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("updated", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("direction", "partner", "id"),
    )
    op.create_index("transfers_by_consignment", "transfers", ["consignment", "direction"], unique=False)
    op.create_index("transfers_by_content", "transfers", ["partner", "sha256"], unique=False)
    op.create_index("transfers_by_message", "transfers", ["partner", "flow", "message_id"], unique=False)
    op.create_index("transfers_by_place", "transfers", ["placed"], unique=False, **where("placed IS NOT NULL"))
    op.create_index("transfers_by_state", "transfers", ["state", "direction", "due"], unique=False)
    op.create_index("transfers_by_lane", "transfers", ["state", "direction", "partner", "flow", "claims"], unique=False)
    op.create_index("transfers_in_custody", "transfers", ["custody", "state"], unique=False)
    op.create_index("transfers_untold", "transfers", ["key"], unique=False, **where("untold IS 1"))
    op.create_index("transfers_with_origin", "transfers", ["key"], unique=False, **where("origin IS NOT NULL"))
