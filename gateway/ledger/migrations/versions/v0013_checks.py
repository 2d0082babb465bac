"""Who looked into payloads, and what came of it: `openings`, `checks`, `printings`, `incidents` and `forms`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.ledger.migrations.dialects import rule, where

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the tables, with the rules that the ledger itself keeps."""
    op.create_table(
        "openings",
        sa.Column("key", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("unit", sa.String(), nullable=False),
        sa.Column("partner", sa.String(), nullable=False),
        sa.Column("flow", sa.String(), nullable=True),
        sa.Column("system", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("case_reference", sa.Text(), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("updated", sa.Float(), nullable=False),
        sa.Column("salt", sa.String(), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("id"),
    )
    op.create_table(
        "checks",
        sa.Column("key", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("opening", sa.String(), nullable=False),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("office", sa.String(), nullable=False),
        sa.Column("system", sa.String(), nullable=False),
        sa.Column("criterion", sa.String(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("case_reference", sa.Text(), nullable=False),
        sa.Column("explanation", sa.Text(), nullable=True),
        sa.Column("finding", sa.Text(), nullable=True),
        sa.Column("remark", sa.Text(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("acknowledged", sa.Float(), nullable=True),
        sa.Column("explained", sa.Float(), nullable=True),
        sa.Column("decided", sa.Float(), nullable=True),
        sa.Column("decided_by", sa.String(), nullable=True),
        sa.Column("supported", sa.Boolean(), nullable=True),
        sa.Column("validated", sa.Float(), nullable=True),
        sa.Column("validated_by", sa.String(), nullable=True),
        sa.Column("agreed", sa.Boolean(), nullable=True),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("updated", sa.Float(), nullable=False),
        sa.Column("salt", sa.String(), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("id"),
        sa.UniqueConstraint("opening"),
        sa.CheckConstraint(rule('decided_by IS NULL OR decided_by IS NOT "user"'), "decided_by_another"),
        sa.CheckConstraint(
            rule(
                "validated_by IS NULL OR (validated_by IS NOT \"user\" AND validated_by IS NOT decided_by AND state IS 'decided')"
            ),
            "validated_by_a_third",
        ),
        sa.CheckConstraint(
            rule(
                "(state IS NOT 'acknowledged' OR acknowledged IS NOT NULL)"
                " AND (state IS NOT 'explained' OR (acknowledged IS NOT NULL AND explained IS NOT NULL))"
                " AND (state IS NOT 'decided' OR (decided IS NOT NULL AND decided_by IS NOT NULL AND supported IN (0, 1)))"
            ),
            "steps_were_taken",
        ),
        sa.CheckConstraint("state IN ('drawn', 'acknowledged', 'explained', 'decided')", "check_state_is_known"),
    )
    op.create_table(
        "printings",
        sa.Column("key", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("day", sa.String(), nullable=False),
        sa.Column("copy", sa.Integer(), nullable=False),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("checks", sa.Integer(), nullable=False),
        sa.Column("sha256", sa.String(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("updated", sa.Float(), nullable=False),
        sa.Column("salt", sa.String(), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("id"),
        sa.UniqueConstraint("day", "copy"),
        sa.CheckConstraint("copy >= 1", "copies_count_from_one"),
        sa.CheckConstraint("copy = 1 OR reason != '' OR salt LIKE 'erased:%'", "reprint_with_a_reason"),
    )
    op.create_table(
        "incidents",
        sa.Column("key", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("check_id", sa.String(), nullable=True),
        sa.Column("user", sa.String(), nullable=True),
        sa.Column("opened_by", sa.String(), nullable=False),
        sa.Column("central", sa.Boolean(), nullable=False),
        sa.Column("description", sa.Text(), nullable=False),
        sa.Column("trail", sa.Text(), nullable=False),
        sa.Column("conclusion", sa.Text(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("outcome", sa.String(), nullable=True),
        sa.Column("closed", sa.Float(), nullable=True),
        sa.Column("closed_by", sa.String(), nullable=True),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("updated", sa.Float(), nullable=False),
        sa.Column("salt", sa.String(), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("id"),
        sa.CheckConstraint(rule('closed_by IS NULL OR "user" IS NULL OR closed_by IS NOT "user"'), "closed_by_another"),
        sa.CheckConstraint(
            rule(
                "(state IS 'open' AND closed IS NULL)"
                " OR (state IS 'closed' AND closed IS NOT NULL AND closed_by IS NOT NULL AND outcome IS NOT NULL)"
            ),
            "closed_with_an_outcome",
        ),
        sa.CheckConstraint("central IN (0, 1)", "central_is_a_truth_value"),
    )
    op.create_table(
        "forms",
        sa.Column("key", sa.Integer(), nullable=False),
        sa.Column("id", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("fields", sa.Text(), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("updated", sa.Float(), nullable=False),
        sa.Column("salt", sa.String(), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("id"),
    )
    op.create_index("openings_by_unit", "openings", ["unit"])
    op.create_index("openings_by_user", "openings", ["user"])
    op.create_index("checks_to_acknowledge", "checks", ["user", "key"], **where("state = 'drawn'"))
    op.create_index("checks_outstanding", "checks", ["key"], **where("state != 'decided'"))
    op.create_index("checks_by_time", "checks", ["created"])
    op.create_index("checks_by_decision", "checks", ["decided"], **where("decided IS NOT NULL"))
