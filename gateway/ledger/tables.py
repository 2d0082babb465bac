"""The ledger's tables, as SQLAlchemy knows them. A test holds them against the replayed migrations.

Times are seconds since 1970 (UTC). `event` is the sequence number of the last event that changed the row: a cut tail of
the chain leaves rows that point behind it. `claims` counts attempts that have not ended yet, `attempts` those that ended
in a deferral; `due` is when the next one may start.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import Boolean, Column, Float, Index, Integer, MetaData, String, Table, Text, UniqueConstraint, text

METADATA: Final = MetaData()


def _work() -> list[Column[object]]:
    """The columns of everything that a role works on."""
    return [
        Column("state", String, nullable=False),
        Column("resume", String),
        Column("code", String),
        Column("reason", Text),
        Column("claims", Integer, nullable=False, default=0),
        Column("attempts", Integer, nullable=False, default=0),
        Column("due", Float, nullable=False, default=0.0),
        Column("event", Integer, nullable=False, default=0),
        Column("created", Float, nullable=False),
        Column("updated", Float, nullable=False),
    ]


TRANSFERS: Final = Table(
    "transfers",
    METADATA,
    Column("key", Integer, primary_key=True),
    Column("id", String, nullable=False),
    Column("direction", String, nullable=False),
    Column("flow", String, nullable=False),
    Column("partner", String, nullable=False),
    Column("name", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("sha256", String, nullable=False),
    Column("schema", String),
    Column("reference", Text),
    Column("redirected_from", String),
    Column("message_id", String),  # the content's own, where its flow has one
    Column("facts", Text),  # JSON: what the validator told besides; no personal data
    Column("consignment", String),
    Column("position", Integer),
    Column("expires", Float),
    Column("custody", Boolean, nullable=False, default=True),  # whether its bytes still lie in the vault
    Column("origin", Text),  # the spool file still to be removed, as `intake` tells one from another; inbound, its name
    Column("placed", Text),  # inbound: the name that it was delivered under
    Column("word", Text),  # inbound: the file in spool/outcomes that answered it, as `outcomes` tells one from another
    Column("untold", Boolean, nullable=False, default=False),  # outbound: something was heard after it left custody
    *_work(),
    UniqueConstraint("direction", "partner", "id"),
    Index("transfers_by_state", "state", "direction", "due"),
    Index("transfers_by_lane", "state", "direction", "partner", "flow", "claims"),
    Index("transfers_by_consignment", "consignment", "direction"),
    Index("transfers_by_content", "partner", "sha256"),
    Index("transfers_in_custody", "custody", "state"),
    Index("transfers_by_message", "partner", "flow", "message_id"),
    Index("transfers_by_place", "placed", sqlite_where=text("placed IS NOT NULL")),
    # The words of a condition decide whether an index of some rows is used: these are the questions' own.
    Index("transfers_untold", "key", sqlite_where=text("untold IS 1")),
    Index("transfers_with_origin", "key", sqlite_where=text("origin IS NOT NULL")),
)

CONSIGNMENTS: Final = Table(
    "consignments",
    METADATA,
    Column("key", Integer, primary_key=True),
    Column("id", String, nullable=False),
    Column("direction", String, nullable=False),
    Column("partner", String, nullable=False),
    Column("sequence", Integer),
    Column("flow", String),  # outbound: of its most urgent file; what it may travel with and when, and its turn
    Column("items", Integer, nullable=False, default=0),
    Column("bytes", Integer, nullable=False, default=0),
    Column("sealed_size", Integer),
    Column("sealed_sha256", String),
    Column("duplicates", Text),  # JSON: transfers that it carried and that had been delivered before
    Column("head_sequence", Integer),
    Column("head_sha256", String),
    Column("resends", Integer, nullable=False, default=0),
    Column("expires", Float),
    *_work(),
    UniqueConstraint("direction", "partner", "id"),
    UniqueConstraint("direction", "partner", "sequence"),
    Index("consignments_by_state", "state", "direction", "due"),
    Index("consignments_by_lane", "state", "direction", "partner", "claims"),
)

RECEIPTS: Final = Table(
    "receipts",
    METADATA,
    Column("key", Integer, primary_key=True),
    Column("direction", String, nullable=False),
    Column("partner", String, nullable=False),
    Column("consignment", String, nullable=False),
    Column("level", String),
    Column("body", Text),
    Column("sealed_size", Integer),
    Column("sealed_sha256", String),
    *_work(),
    Index("receipts_by_state", "state", "direction", "due"),
    Index("receipts_by_lane", "state", "direction", "partner", "claims"),
    Index("receipts_by_consignment", "consignment", "direction"),
)

EVENTS: Final = Table(
    "events",
    METADATA,
    Column("sequence", Integer, primary_key=True),
    Column("at", String, nullable=False),
    Column("role", String, nullable=False),
    Column("event", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("subject", String, nullable=False),
    Column("partner", String),
    Column("detail", Text, nullable=False),
    Column("previous", String, nullable=False),
    Column("sha256", String, nullable=False),
    Index("events_by_subject", "subject"),
)

LANES: Final = Table(
    "lanes",
    METADATA,
    Column("partner", String, primary_key=True),
    Column("held", Boolean, nullable=False, default=False),
    Column("failures", Integer, nullable=False, default=0),
    Column("due", Float, nullable=False, default=0.0),
    Column("code", String),
    Column("reason", Text),
    Column("sequence", Integer, nullable=False, default=0),  # the last one given to a consignment towards the partner
    Column("seen_sequence", Integer),  # the newest head of the partner's chain that we saw
    Column("seen_sha256", String),
    Column("updated", Float, nullable=False),
)

QUARANTINE: Final = Table(
    "quarantine",
    METADATA,
    Column("id", String, primary_key=True),
    Column("kind", String, nullable=False),
    Column("consignment", String, nullable=False),
    Column("partner", String, nullable=False),
    Column("code", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("received", Float, nullable=False),
    Column("size", Integer, nullable=False),
    Column("sha256", String, nullable=False),
    Column("discarded", Float),
    Index("quarantine_by_time", "received"),
)

FILE: Final = "file"
"""The `kind` in quarantine of a file that is locked away for its content: plaintext, so it lies in the vault."""
