"""The ledger's tables, as SQLAlchemy knows them. A test holds them against the replayed migrations.

`ledger.units` and `ledger.check_units` say what each column means, and have a field for each one, in this order.
Long because it is one description.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.engine import Dialect

from gateway.domain.checks import CheckState, Criterion
from gateway.domain.incidents import FormKind, IncidentKind, IncidentOutcome, IncidentState
from gateway.domain.people import PersonState
from gateway.domain.requests import Act, RequestState
from gateway.domain.states import Direction, State

METADATA: Final = MetaData()

UNANSWERED: Final = (
    "state || '' = 'delivered' AND direction || '' = 'in' AND answer_file IS NULL AND redirected_to IS NULL"
)
"""Of transfers: delivered, and neither answered by the back office nor passed on. An index has these rows alone, and a question
has to say it in the same words to be led to it. State and direction are hidden in expressions: SQLite prefers an index that has
them as columns, and sorts a million rows for the first hundred.
"""


class _Known(dict[str | None, Any]):
    """Members by their text. A text that is none comes back as it is: only somebody who edited the file can have put it
    there, no itinerary knows it, and the audit has to name it.
    """

    def __missing__(self, text: str) -> str:
        return text


class EnumText(String):
    """A column of text that is read as members of an enumeration."""

    cache_ok = True

    def __init__(self, members: type[StrEnum]) -> None:
        super().__init__()
        self.members = members

    def result_processor(self, _dialect: Dialect, _coltype: object) -> Callable[[Any], Any]:
        return _Known({None: None} | {str(text): text for text in self.members}).__getitem__


def _salt() -> Column[object]:
    """What keeps the digest of a row's personal columns from being guessed (`ledger.commitment`)."""
    return Column("salt", String, nullable=False, server_default="")


def _work() -> list[Column[object]]:
    """The columns of everything that a role works on."""
    return [
        Column("state", EnumText(State), nullable=False),
        Column("resume", EnumText(State)),
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
    Column("direction", EnumText(Direction), nullable=False),
    Column("flow", String, nullable=False),
    Column("partner", String, nullable=False),
    Column("name", Text, nullable=False),
    Column("size", Integer, nullable=False),
    Column("sha256", String, nullable=False),
    Column("schema", String),
    Column("reference", Text),
    Column("redirected_from", String),
    Column("message_id", String),
    Column("facts", Text),
    Column("consignment", String),
    Column("position", Integer),
    Column("expires", Float),
    Column("custody", Boolean, nullable=False, default=True),
    Column("spool_file", Text),
    Column("node", String),
    Column("purge_name", Text),
    Column("delivered_name", Text),
    Column("answer_file", Text),
    Column("redirected_to", String),
    Column("notify_pending", Boolean, nullable=False, default=False),
    *_work(),
    _salt(),
    UniqueConstraint("direction", "partner", "id"),
    Index("transfers_by_state", "state", "direction", "due"),
    Index("transfers_by_lane", "state", "direction", "partner", "flow", "claims"),
    Index("transfers_by_consignment", "consignment", "direction"),
    Index("transfers_by_content", "partner", "sha256"),
    Index("transfers_in_custody", "custody", "state"),
    Index("transfers_by_message", "partner", "flow", "message_id"),
    # For people who look: `queries.search` and `queries.overview`.
    Index("transfers_by_name", "name"),
    Index("transfers_by_created", "created"),
    # The words of a condition decide whether an index of some rows is used: these are the queries' own.
    Index("transfers_by_reference", "reference", sqlite_where=text("reference IS NOT NULL")),
    Index("transfers_by_delivered_name", "delivered_name", sqlite_where=text("delivered_name IS NOT NULL")),
    Index("transfers_to_notify", "key", sqlite_where=text("notify_pending IS 1")),
    Index("transfers_with_spool_file", "key", sqlite_where=text("spool_file IS NOT NULL")),
    Index("transfers_unanswered", "flow", "partner", "updated", sqlite_where=text(UNANSWERED)),
    Index("transfers_to_purge", "key", sqlite_where=text("purge_name IS NOT NULL")),
)

CONSIGNMENTS: Final = Table(
    "consignments",
    METADATA,
    Column("key", Integer, primary_key=True),
    Column("id", String, nullable=False),
    Column("direction", EnumText(Direction), nullable=False),
    Column("partner", String, nullable=False),
    Column("sequence", Integer),
    Column("flow", String),
    Column("items", Integer, nullable=False, default=0),
    Column("bytes", Integer, nullable=False, default=0),
    Column("sealed_size", Integer),
    Column("sealed_sha256", String),
    Column("duplicates", Text),
    Column("head_sequence", Integer),
    Column("head_sha256", String),
    Column("resends", Integer, nullable=False, default=0),
    Column("expires", Float),
    *_work(),
    _salt(),
    UniqueConstraint("direction", "partner", "id"),
    UniqueConstraint("direction", "partner", "sequence"),
    Index("consignments_by_state", "state", "direction", "due"),
    Index("consignments_by_lane", "state", "direction", "partner", "claims"),
    Index("consignments_by_created", "direction", "created"),
)

RECEIPTS: Final = Table(
    "receipts",
    METADATA,
    Column("key", Integer, primary_key=True),
    Column("direction", EnumText(Direction), nullable=False),
    Column("partner", String, nullable=False),
    Column("consignment", String, nullable=False),
    Column("level", String),
    Column("answers", Text),
    Column("body", Text),
    Column("sealed_size", Integer),
    Column("sealed_sha256", String),
    *_work(),
    _salt(),
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
    Column("sequence", Integer, nullable=False, default=0),
    Column("seen_sequence", Integer),
    Column("seen_sha256", String),
    Column("updated", Float, nullable=False),
    _salt(),
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
    _salt(),
    Index("quarantine_by_time", "received"),
)

REQUESTS: Final = Table(
    "requests",
    METADATA,
    Column("key", Integer, primary_key=True),
    Column("id", String, nullable=False),
    Column("act", EnumText(Act), nullable=False),
    Column("subject", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("state", EnumText(RequestState), nullable=False),
    Column("owner", String),
    Column("lease", Float, nullable=False, default=0.0),
    Column("kind", String),
    Column("unit", String),
    Column("partner", String),
    Column("became", String),
    Column("code", String),
    Column("refusal", Text),
    Column("remedy", Text),
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
    _salt(),
    Column("takes", Integer),
    Column("decider", Text),
    Column("decider_reason", Text),
    Column("decided", Float),
    Column("argument", Text),
    Column("node", String),
    UniqueConstraint("id"),
    # Migration 0011 repeats both: the database refuses whoever writes past `ledger.proposals`.
    CheckConstraint("decider IS NULL OR decider <> actor", "another_decides"),
    CheckConstraint(
        "takes IS NOT 2 OR state NOT IN ('asked', 'done') OR decider IS NOT NULL OR salt LIKE 'erased:%'",
        "two_people_where_it_takes_two",
    ),
    # Migration 0016 repeats both.
    CheckConstraint("length(argument) <= 65536", "argument_bounded"),
    CheckConstraint(
        "act NOT IN ('change-roles', 'resume', 'issue-link') OR (subject <> actor AND (decider IS NULL OR subject <> decider))"
        " OR salt LIKE 'erased:%'",
        "nobody_about_themselves",
    ),
    Index("requests_waiting", "key", sqlite_where=text("state = 'asked'")),
    Index("requests_proposed", "key", sqlite_where=text("state = 'proposed'")),
)

REASONS: Final = Table(
    "reasons",
    METADATA,
    Column("sequence", Integer, primary_key=True),
    Column("text", Text, nullable=False),
    _salt(),
)
"""Why a person decided, in their words: by the number of the decision's event, which has the personal digest alone."""

HOLDS: Final = Table(
    "holds",
    METADATA,
    Column("key", Integer, primary_key=True),
    Column("id", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("unit", String, nullable=False),
    Column("partner", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("released", Float),
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
    _salt(),
    UniqueConstraint("id"),
)

PEOPLE: Final = Table(
    "people",
    METADATA,
    Column("key", Integer, primary_key=True),
    Column("user", String, nullable=False),
    Column("name", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("operator", Boolean, nullable=False, default=False),
    Column("supervisor", Boolean, nullable=False, default=False),
    Column("checking_officer", Boolean, nullable=False, default=False),
    Column("secure_print", Boolean, nullable=False, default=False),
    Column("auditor", Boolean, nullable=False, default=False),
    Column("administrator", Boolean, nullable=False, default=False),
    Column("agreement", String),
    Column("training", String),
    Column("state", EnumText(PersonState), nullable=False),
    Column("changes", Integer, nullable=False, default=0),
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
    _salt(),
    UniqueConstraint("user"),
    # What `domain.people` refuses with a reason, the database refuses whoever writes. A migration repeats each, by its name.
    CheckConstraint(
        "secure_print IS 0 OR operator + supervisor + checking_officer + auditor + administrator = 0",
        "secure_print_is_held_alone",
    ),
    CheckConstraint(
        "administrator IS 0 OR operator + supervisor + checking_officer = 0", "administrator_decides_no_file"
    ),
    CheckConstraint(
        "operator + supervisor + checking_officer + secure_print = 0 OR (agreement IS NOT NULL AND training IS NOT NULL)",
        "agreement_and_training_first",
    ),
    CheckConstraint(
        "state IS NOT 'left' OR operator + supervisor + checking_officer + secure_print + auditor + administrator = 0",
        "left_without_roles",
    ),
    CheckConstraint("state IN ('active', 'suspended', 'left')", "state_is_known"),
    CheckConstraint(
        "operator IN (0, 1) AND supervisor IN (0, 1) AND checking_officer IN (0, 1) AND secure_print IN (0, 1)"
        " AND auditor IN (0, 1) AND administrator IN (0, 1)",
        "roles_are_truth_values",
    ),
)
"""Who may use the console: `domain.people.Person` has a field for each column, but the salt, and one set for the roles."""
MARKS: Final = Table(
    "marks",
    METADATA,
    Column("digest", Integer, primary_key=True),
    Column("transfer", Integer, primary_key=True),
    Column("record", Integer, primary_key=True),
    Column("day", Integer),
    Column("at", Integer, nullable=False),
    Index("marks_by_transfer", "transfer"),
    sqlite_with_rowid=False,
)
"""What triage remembers: keyed digests of records (`ledger.marks`). It is no evidence, and the chain does not commit to it."""

CLAIM_MARKS: Final = Table(
    "claim_marks",
    METADATA,
    Column("transfer", Integer, primary_key=True),
    Column("record", Integer, primary_key=True),
    Column("digest", Integer, primary_key=True),
    sqlite_with_rowid=False,
)
"""The same of the claims that records name. Written for each file and hardly ever read, so there is no index by the digest."""

OPENINGS: Final = Table(
    "openings",
    METADATA,
    Column("key", Integer, primary_key=True),
    Column("id", String, nullable=False),
    Column("user", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("unit", String, nullable=False),
    Column("partner", String, nullable=False),
    Column("flow", String),
    Column("system", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("case_reference", Text, nullable=False),
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
    _salt(),
    UniqueConstraint("id"),
    Index("openings_by_unit", "unit"),
    Index("openings_by_user", "user"),
)

CHECKS: Final = Table(
    "checks",
    METADATA,
    Column("key", Integer, primary_key=True),
    Column("id", String, nullable=False),
    Column("opening", String, nullable=False),
    Column("user", String, nullable=False),
    Column("office", String, nullable=False),
    Column("system", String, nullable=False),
    Column("criterion", EnumText(Criterion), nullable=False),
    Column("name", Text, nullable=False),
    Column("unit", Text, nullable=False),
    Column("case_reference", Text, nullable=False),
    Column("explanation", Text),
    Column("finding", Text),
    Column("remark", Text),
    Column("state", EnumText(CheckState), nullable=False),
    Column("acknowledged", Float),
    Column("explained", Float),
    Column("decided", Float),
    Column("decided_by", String),
    Column("supported", Boolean),
    Column("validated", Float),
    Column("validated_by", String),
    Column("agreed", Boolean),
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
    _salt(),
    UniqueConstraint("id"),
    UniqueConstraint("opening"),
    CheckConstraint('decided_by IS NULL OR decided_by IS NOT "user"', "decided_by_another"),
    CheckConstraint(
        "validated_by IS NULL OR (validated_by IS NOT \"user\" AND validated_by IS NOT decided_by AND state IS 'decided')",
        "validated_by_a_third",
    ),
    CheckConstraint(
        "(state IS NOT 'acknowledged' OR acknowledged IS NOT NULL)"
        " AND (state IS NOT 'explained' OR (acknowledged IS NOT NULL AND explained IS NOT NULL))"
        " AND (state IS NOT 'decided' OR (decided IS NOT NULL AND decided_by IS NOT NULL AND supported IN (0, 1)))",
        "steps_were_taken",
    ),
    CheckConstraint("state IN ('drawn', 'acknowledged', 'explained', 'decided')", "check_state_is_known"),
    Index("checks_to_acknowledge", "user", "key", sqlite_where=text("state = 'drawn'")),
    Index("checks_outstanding", "key", sqlite_where=text("state != 'decided'")),
    Index("checks_by_time", "created"),
    Index("checks_by_decision", "decided", sqlite_where=text("decided IS NOT NULL")),
)

PRINTINGS: Final = Table(
    "printings",
    METADATA,
    Column("key", Integer, primary_key=True),
    Column("id", String, nullable=False),
    Column("day", String, nullable=False),
    Column("copy", Integer, nullable=False),
    Column("user", String, nullable=False),
    Column("checks", Integer, nullable=False),
    Column("sha256", String, nullable=False),
    Column("reason", Text, nullable=False),
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
    _salt(),
    UniqueConstraint("id"),
    UniqueConstraint("day", "copy"),
    CheckConstraint("copy >= 1", "copies_count_from_one"),
    CheckConstraint("copy = 1 OR reason != '' OR salt LIKE 'erased:%'", "reprint_with_a_reason"),
)

INCIDENTS: Final = Table(
    "incidents",
    METADATA,
    Column("key", Integer, primary_key=True),
    Column("id", String, nullable=False),
    Column("kind", EnumText(IncidentKind), nullable=False),
    Column("check_id", String),
    Column("user", String),
    Column("opened_by", String, nullable=False),
    Column("central", Boolean, nullable=False, default=False),
    Column("description", Text, nullable=False),
    Column("trail", Text, nullable=False),
    Column("conclusion", Text),
    Column("state", EnumText(IncidentState), nullable=False),
    Column("outcome", EnumText(IncidentOutcome)),
    Column("closed", Float),
    Column("closed_by", String),
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
    _salt(),
    UniqueConstraint("id"),
    CheckConstraint('closed_by IS NULL OR "user" IS NULL OR closed_by IS NOT "user"', "closed_by_another"),
    CheckConstraint(
        "(state IS 'open' AND closed IS NULL)"
        " OR (state IS 'closed' AND closed IS NOT NULL AND closed_by IS NOT NULL AND outcome IS NOT NULL)",
        "closed_with_an_outcome",
    ),
    CheckConstraint("central IN (0, 1)", "central_is_a_truth_value"),
)

FORMS: Final = Table(
    "forms",
    METADATA,
    Column("key", Integer, primary_key=True),
    Column("id", String, nullable=False),
    Column("kind", EnumText(FormKind), nullable=False),
    Column("user", String, nullable=False),
    Column("fields", Text, nullable=False),
    Column("created", Float, nullable=False),
    Column("updated", Float, nullable=False),
    _salt(),
    UniqueConstraint("id"),
)
"""Who looked, and what came of it: `ledger.check_units` says what each column means."""

FILE: Final = "file"
"""The `kind` in quarantine of a file that is locked away for its content: plaintext, so it lies in the vault."""

NODES: Final = Table(
    "nodes",
    METADATA,
    Column("name", String, primary_key=True),
    Column("incarnation", Integer, nullable=False),
    Column("since", Float, nullable=False),
    Column("seen", Float, nullable=False),
    Column("lease", Float, nullable=False),
    Column("version", String, nullable=False),
    Column("console", Float),
    Column("likeness", String),
)
"""The nodes of the site, by the database's clock: `ledger.nodes`; which of them serves the console, since when; and what is
the same where two are configured alike. A row is written anew every few seconds, so the chain does not
commit to it.
"""

LANE_OWNERS: Final = Table(
    "lane_owners",
    METADATA,
    Column("partner", String, primary_key=True),
    Column("node", String),
    Column("epoch", Integer, nullable=False),
    Column("changed", Integer, nullable=False),
    Column("since", Float, nullable=False),
    Column("leaving", Float),
    Index("lane_owners_by_change", "changed"),
)
"""Which node works on a lane: working state, as the owner of a request is. What was taken over is an event."""

WORKING: Final = frozenset({NODES, LANE_OWNERS})
"""Tables that are about the machines at work now and not about the site: no copy of the ledger takes them along."""
