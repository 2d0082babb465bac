"""Triage: whether a record repeats one that came before, is superseded by it, or is out of date. Pure.

What makes two records the same is the schema's to say (docs/formats/triage.md). What is remembered of a record are numbers made with
the site's key (`keyed`): without it nobody can try whether a person is among them. They hold for one direction, partner and flow, but
those of claims' references, by which documents of all flows are found together.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from hashlib import blake2b
from typing import Final, NamedTuple, Self
from unicodedata import normalize

import orjson

from gateway.domain.states import Direction

BLANKS: Final = b" \t\n\r"
"""XML's white space."""
_WITHIN: Final = (1 << 48) - 1
_COMPOSED: Final = bytes(range(0xCC))
"""The bytes of characters below U+0300, none of which composition changes: it is three times as quick to look for others first."""
REPEATS: Final = "repeats"
"""The directory of files that are set aside, below FLOW/PARTNER in spool/inbound."""
ENDING: Final = ".triage.json"
FACTS: Final = ("repeats", "superseded", "out_of_date")
"""The facts that count a file's records, where any record is one of these."""
ASIDE: Final = "aside"
CLAIM: Final = "claim"
"""The scope of references of claims, of all partners and flows."""


class Finding(StrEnum):
    """What triage says of a record; it may be all three."""

    REPEATS = "repeats"
    SUPERSEDED = "superseded"
    OUT_OF_DATE = "out-of-date"


class TriageCounts(NamedTuple):
    """How many of a file's records triage looked at, and of how many it says what."""

    records: int
    repeats: int = 0
    superseded: int = 0
    out_of_date: int = 0

    def to_facts(self) -> dict[str, str]:
        """What the ledger keeps: nothing for a file of which there is nothing to say."""
        counts = {name: getattr(self, name) for name in FACTS}
        if not any(counts.values()):
            return {}
        return {"triaged": str(self.records)} | {name: str(count) for name, count in counts.items()}

    @classmethod
    def of(cls, facts: Mapping[str, str]) -> Self | None:
        """The counts among a transfer's facts; None where there are none."""
        if "triaged" not in facts:
            return None
        return cls(int(facts["triaged"]), *(int(facts[name]) for name in FACTS))


@dataclass(frozen=True)
class RecordTriage:
    """A record of which there is something to say, by its number; `earlier` are the transfers that make it so."""

    record: int
    findings: tuple[Finding, ...]
    earlier: tuple[int, ...] = ()


def plain(text: bytes) -> bytes:
    """A text without white space: how lines are broken says nothing, and nor does a space in a postcode."""
    return composed(text.translate(None, BLANKS))


def composed(text: bytes) -> bytes:
    """UTF-8 in composed characters (Unicode's NFC)."""
    if text.isascii() or not text.translate(None, _COMPOSED):
        return text
    return normalize("NFC", text.decode()).encode()


def digest(*content: bytes) -> bytes:
    """16 bytes of BLAKE2b (RFC 7693), which takes a third of the time of SHA-256 here."""
    return blake2b(b"".join(content), digest_size=16).digest()


def claim_digest(reference: str) -> bytes:
    """The digest of the reference of a claim: letters in one case, without white space."""
    return digest(b"claim\x1f" + plain(reference.casefold().encode()))


@lru_cache
def scope_of(direction: Direction, *parts: str) -> bytes:
    """What numbers are kept apart by: the direction, for records the partner and flow, and of what they are."""
    return "\x1f".join((direction, *parts, "")).encode()


def tells_of(content: bytes) -> str | None:
    """The id of the transfer that NAME.triage.json is about; None where it is no such text."""
    try:
        told = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    identity = told.get("transfer") if isinstance(told, dict) else None
    return identity if isinstance(identity, str) else None


def keyed(key: bytes, scope: bytes, digest: bytes) -> int:
    """64 bits of HMAC-SHA-256 (RFC 2104) of a digest within a scope, as a signed number."""
    return int.from_bytes(hmac.digest(key, scope + digest, "sha256")[:8], "big", signed=True)


def beside(number: int, award: int) -> int:
    """The number of a record with the first 16 bits of its award's: what is looked up together lies together in the table."""
    return (award & ~_WITHIN) | (number & _WITHIN)
