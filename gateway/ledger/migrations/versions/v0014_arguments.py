"""What a request asks for in particular, such as somebody's new roles; and that nobody decides about themselves: `requests`."""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column. Rows of before say nothing in it: their digests in the chain hold."""
    # As text, since SQLite adds a constraint to a table only together with a column.
    op.execute(
        "ALTER TABLE requests ADD COLUMN argument TEXT CONSTRAINT argument_bounded CHECK (length(argument) <= 65536)"
        " CONSTRAINT nobody_about_themselves CHECK (act NOT IN ('change-roles', 'resume', 'issue-link')"
        " OR (subject <> actor AND (decider IS NULL OR subject <> decider)) OR salt LIKE 'erased:%')"
    )
