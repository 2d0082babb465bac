"""People who may use the console, with the roles that must not meet kept apart by the database itself: `people`."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.ledger.migrations.dialects import rule

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "people",
        sa.Column("key", sa.Integer(), nullable=False),
        sa.Column("user", sa.String(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("unit", sa.Text(), nullable=False),
        sa.Column("operator", sa.Boolean(), nullable=False),
        sa.Column("supervisor", sa.Boolean(), nullable=False),
        sa.Column("checking_officer", sa.Boolean(), nullable=False),
        sa.Column("secure_print", sa.Boolean(), nullable=False),
        sa.Column("auditor", sa.Boolean(), nullable=False),
        sa.Column("administrator", sa.Boolean(), nullable=False),
        sa.Column("agreement", sa.String(), nullable=True),
        sa.Column("training", sa.String(), nullable=True),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("changes", sa.Integer(), nullable=False),
        sa.Column("created", sa.Float(), nullable=False),
        sa.Column("updated", sa.Float(), nullable=False),
        sa.Column("salt", sa.String(), nullable=False, server_default=""),
        sa.PrimaryKeyConstraint("key"),
        sa.UniqueConstraint("user"),
        sa.CheckConstraint(
            rule("secure_print IS 0 OR operator + supervisor + checking_officer + auditor + administrator = 0"),
            "secure_print_is_held_alone",
        ),
        sa.CheckConstraint(
            rule("administrator IS 0 OR operator + supervisor + checking_officer = 0"), "administrator_decides_no_file"
        ),
        sa.CheckConstraint(
            "operator + supervisor + checking_officer + secure_print = 0"
            " OR (agreement IS NOT NULL AND training IS NOT NULL)",
            "agreement_and_training_first",
        ),
        sa.CheckConstraint(
            rule(
                "state IS NOT 'left'"
                " OR operator + supervisor + checking_officer + secure_print + auditor + administrator = 0"
            ),
            "left_without_roles",
        ),
        sa.CheckConstraint("state IN ('active', 'suspended', 'left')", "state_is_known"),
        sa.CheckConstraint(
            "operator IN (0, 1) AND supervisor IN (0, 1) AND checking_officer IN (0, 1) AND secure_print IN (0, 1)"
            " AND auditor IN (0, 1) AND administrator IN (0, 1)",
            "roles_are_truth_values",
        ),
    )
