"""One meaning a column, by the field's words.

`origin` becomes `spool_file` (outbound) and `purge_name` (inbound), `word` becomes `answer_file` and `redirected_to`,
`receipts.body` keeps texts and gives lists of answers to `receipts.answers`, `placed` becomes `delivered_name`, `untold`
becomes `notify_pending`, and `custody` is false of everything inbound.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from gateway.ledger.migrations.dialects import is_sqlite, where

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_RENAMED = {
    "placed": "delivered_name",
    "untold": "notify_pending",
    "origin": "spool_file",
    "word": "answer_file",
}


def upgrade() -> None:
    """Rename, split, and bring the content along."""
    for index in ("transfers_by_place", "transfers_untold", "transfers_with_origin"):
        op.drop_index(index, "transfers")
    for before, after in _RENAMED.items():
        op.execute(f"ALTER TABLE transfers RENAME COLUMN {before} TO {after}")
    op.add_column("transfers", sa.Column("purge_name", sa.Text(), nullable=True))
    op.add_column("transfers", sa.Column("redirected_to", sa.String(), nullable=True))
    if is_sqlite():
        _bring_along()
    op.create_index(
        "transfers_by_delivered_name",
        "transfers",
        ["delivered_name"],
        **where("delivered_name IS NOT NULL"),
    )
    op.create_index("transfers_to_notify", "transfers", ["key"], **where("notify_pending IS 1"))
    op.create_index("transfers_with_spool_file", "transfers", ["key"], **where("spool_file IS NOT NULL"))
    op.create_index("transfers_to_purge", "transfers", ["key"], **where("purge_name IS NOT NULL"))
    op.add_column("receipts", sa.Column("answers", sa.Text(), nullable=True))
    if is_sqlite():
        op.execute("UPDATE receipts SET answers = body, body = NULL WHERE body GLOB '[[]*'")


def _bring_along() -> None:
    op.execute(
        "UPDATE transfers SET purge_name = spool_file, spool_file = NULL"
        " WHERE direction = 'in' AND spool_file IS NOT NULL"
    )
    op.execute(
        "UPDATE transfers SET redirected_to = substr(answer_file, length('redirected:') + 1), answer_file = NULL"
        " WHERE answer_file GLOB 'redirected:*'"
    )
    op.execute("UPDATE transfers SET custody = 0 WHERE direction = 'in' AND custody IS NOT 0")
