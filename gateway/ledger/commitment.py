"""What the chain says of a row: a digest of every column that says what happened, and who may read what from it.

Every column of a proven table but `salt` is in one of three lists. PLAIN columns enter the row's digest as they are.
PERSONAL ones, which may name people, enter it as one digest of their own, salted with the row's `salt`: once their time
is over they are emptied, the salt becomes `erased:` and that digest, and the row's digest stays what it was. EXEMPT ones are
working state, and enter nothing. LATER ones enter where they say something. docs/audit.md tells the same to somebody who has no copy of this program. Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Final

from orjson import dumps

SALT: Final = "salt"
"""The column with a row's salt: 32 hex digits, or `erased:` and the personal digest."""

SALT_BYTES: Final = 16
ERASED: Final = "erased:"

COMMITTED: Final = "ledger.committed"
ADOPTED: Final = "ledger.adopted"
KIND: Final = "ledger"
SUBJECT: Final = "rows"
"""The events that say it, and what they are about. `detail` of COMMITTED is {table: {key as text: digest, or null}}."""

_WORK: Final = ("state", "resume", "code", "event", "created", "updated")

KEY: Final[Mapping[str, str]] = MappingProxyType(
    {
        "transfers": "key",
        "consignments": "key",
        "receipts": "key",
        "lanes": "partner",
        "quarantine": "id",
        "requests": "key",
        "reasons": "sequence",
        "holds": "key",
        "people": "key",
        "openings": "key",
        "checks": "key",
        "printings": "key",
        "incidents": "key",
        "forms": "key",
    }
)
"""The proven tables, and the primary key of each."""

UNPROVEN: Final = frozenset({"marks", "claim_marks", "nodes", "lane_owners"})
"""The tables that are no evidence beside the events: what triage remembers, since what it found is a fact of a transfer, and proven; and
which node works where, since what was taken over is an event, and a heartbeat is written every few seconds.
"""

NOUN: Final[Mapping[str, str]] = MappingProxyType(
    {
        "transfers": "transfer",
        "consignments": "consignment",
        "receipts": "receipt",
        "lanes": "lane",
        "quarantine": "quarantine",
        "requests": "request",
        "reasons": "reason",
        "holds": "hold",
        "people": "person",
        "openings": "opening",
        "checks": "check",
        "printings": "printing",
        "incidents": "incident",
        "forms": "form",
    }
)
"""What an event calls a row of each: `KIND.erased`."""

PLAIN: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "transfers": (
            "key",
            "id",
            "direction",
            "flow",
            "partner",
            "size",
            "sha256",
            "schema",
            "redirected_from",
            "consignment",
            "position",
            "expires",
            "custody",
            "answer_file",
            "redirected_to",
            "notify_pending",
            *_WORK,
        ),
        "consignments": (
            "key",
            "id",
            "direction",
            "partner",
            "sequence",
            "flow",
            "items",
            "bytes",
            "sealed_size",
            "sealed_sha256",
            "duplicates",
            "head_sequence",
            "head_sha256",
            "resends",
            "expires",
            *_WORK,
        ),
        "receipts": ("key", "direction", "partner", "consignment", "level", "sealed_size", "sealed_sha256", *_WORK),
        "lanes": ("partner", "held", "code", "sequence", "seen_sequence", "seen_sha256", "updated"),
        "quarantine": ("id", "kind", "partner", "code", "received", "size", "sha256", "discarded"),
        "requests": (
            "key",
            "id",
            "act",
            "state",
            "kind",
            "unit",
            "partner",
            "became",
            "code",
            "remedy",
            "created",
            "updated",
            "takes",
            "decided",
        ),
        "reasons": ("sequence",),
        "holds": ("key", "id", "kind", "unit", "partner", "released", "created", "updated"),
        "people": (
            "key",
            "user",
            "operator",
            "supervisor",
            "checking_officer",
            "secure_print",
            "auditor",
            "administrator",
            "agreement",
            "training",
            "state",
            "changes",
            "created",
            "updated",
        ),
        "openings": ("key", "id", "user", "kind", "unit", "partner", "flow", "system", "created", "updated"),
        "checks": (
            "key",
            "id",
            "opening",
            "user",
            "office",
            "system",
            "state",
            "acknowledged",
            "explained",
            "decided",
            "decided_by",
            "supported",
            "validated",
            "validated_by",
            "agreed",
            "created",
            "updated",
        ),
        "printings": ("key", "id", "day", "copy", "user", "checks", "sha256", "created", "updated"),
        "incidents": (
            "key",
            "id",
            "kind",
            "check_id",
            "user",
            "opened_by",
            "central",
            "state",
            "outcome",
            "closed",
            "closed_by",
            "created",
            "updated",
        ),
        "forms": ("key", "id", "kind", "user", "created", "updated"),
    }
)
"""The columns that enter a row's digest as they are, in this order."""

PERSONAL: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "transfers": ("name", "reference", "message_id", "facts", "delivered_name", "reason"),
        "consignments": ("reason",),
        "receipts": ("answers", "body", "reason"),
        "lanes": ("reason",),
        "quarantine": ("consignment", "reason"),
        "requests": ("subject", "actor", "reason", "refusal", "decider", "decider_reason", "argument"),
        "reasons": ("text",),
        "holds": ("reason",),
        "people": ("name", "unit"),
        "openings": ("reason", "case_reference"),
        "checks": ("criterion", "name", "unit", "case_reference", "explanation", "finding", "remark"),
        "printings": ("reason",),
        "incidents": ("description", "trail", "conclusion"),
        "forms": ("fields",),
    }
)
"""The columns that may name people, in the order of the personal digest."""

EXEMPT: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "transfers": ("spool_file", "node", "purge_name", "claims", "attempts", "due"),
        "consignments": ("claims", "attempts", "due"),
        "receipts": ("claims", "attempts", "due"),
        "lanes": ("failures", "due"),
        "quarantine": (),
        "requests": ("owner", "lease", "node"),
        "reasons": (),
        "holds": (),
        "people": (),
        "openings": (),
        "checks": (),
        "printings": (),
        "incidents": (),
        "forms": (),
    }
)
"""Working state, which says when and by whom a row is looked at next, and nothing about what happened."""

LATER: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {"requests": frozenset({"takes", "decider", "decider_reason", "decided", "argument"})}
)
"""Columns that a table got when its rows were committed to already. One that is null enters no digest, so the digests of those rows hold."""

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {table: (SALT, *PERSONAL[table], *PLAIN[table]) for table in KEY}
)
"""What `digest_of` takes the values of."""


def row_digest(table: str, row: Mapping[str, Any]) -> str:
    """SHA-256 of a row, as lower-case hex; `row` has at least COLUMNS, as the database or a unit of `ledger.units` has them."""
    return digest_of(table, [_stored(row[name]) for name in COLUMNS[table]])


def personal_digest(table: str, row: Mapping[str, Any]) -> str:
    """SHA-256 of a row's salt and its personal columns; of an erased row, the one that its salt remembers."""
    return _personal(table, [_stored(row[name]) for name in (SALT, *PERSONAL[table])])


def digest_of(table: str, values: Sequence[Any]) -> str:
    """`row_digest` of values in the order of COLUMNS, as SQLite stores them. TypeError where one is no number and no text."""
    end = len(PERSONAL[table]) + 1
    content = [table, _personal(table, values[:end]), *pairs_of(table, PLAIN[table], values[end:])]
    return sha256(dumps(content)).hexdigest()


def pairs_of(table: str, names: Sequence[str], values: Sequence[Any]) -> Iterable[tuple[str, Any]]:
    """Columns with their values, as they enter a digest: without a later one that is null."""
    pairs = zip(names, values, strict=True)
    later = LATER.get(table)
    return pairs if later is None else [pair for pair in pairs if pair[1] is not None or pair[0] not in later]


def _personal(table: str, values: Sequence[Any]) -> str:
    salt = values[0]
    if isinstance(salt, str) and salt.startswith(ERASED) and not any(values[1:]):
        return salt[len(ERASED) :]
    return sha256(dumps([salt, *pairs_of(table, PERSONAL[table], values[1:])])).hexdigest()


def _stored(value: Any) -> Any:
    """A truth value is a number in the database."""
    return int(value) if isinstance(value, bool) else value
