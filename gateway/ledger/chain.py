"""The audit chain: each event carries the SHA-256 of the one before, so that no edit, deletion or reordering hides.

The digest is of the UTF-8 JSON array [sequence, at, role, event, kind, subject, partner, detail, previous], without
spaces, `detail` being the JSON text as stored: twelve lines in any language check a chain (docs/audit.md). Pure.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

import orjson

from gateway.errors import ChainBroken

GENESIS: Final = "0" * 64
"""What the first event names as the one before."""


def digest_of(content: Sequence[object]) -> str:
    """The digest of an event: of its fields in their order, up to `previous`."""
    return hashlib.sha256(orjson.dumps(content)).hexdigest()


class ChainEntry(NamedTuple):
    """One event as it lies in the ledger. `at` is RFC 3339, `detail` JSON text."""

    sequence: int
    at: str
    role: str
    event: str
    kind: str
    subject: str
    partner: str | None
    detail: str
    previous: str
    sha256: str = ""

    def digest(self) -> str:
        """What `sha256` has to be."""
        return digest_of(self[:-1])


class Head(NamedTuple):
    """The last event of a chain; sequence 0 and GENESIS where there is none yet."""

    sequence: int
    sha256: str


EMPTY: Final = Head(0, GENESIS)

RESTORED: Final = "ledger.restored"
"""The one event that may leave numbers out: those of events which were lost with a disk, and which partners may have seen."""


def in_order(sequence: int, event: str, after: int) -> bool:
    """Whether an event of that number may follow the one of number `after`."""
    return sequence == after + 1 or (event == RESTORED and sequence > after)


def verify(entries: Iterable[ChainEntry], after: Head = EMPTY) -> Iterator[ChainEntry]:
    """Pass on each entry once it has proved to follow the one before; ChainBroken at the first that does not."""
    head = after
    for entry in entries:
        if not in_order(entry.sequence, entry.event, head.sequence):
            raise ChainBroken(f"event {head.sequence + 1} is missing: event {entry.sequence} follows {head.sequence}")
        if entry.previous != head.sha256:
            raise ChainBroken(f"event {entry.sequence} does not follow the event before it")
        if entry.digest() != entry.sha256:
            raise ChainBroken(f"event {entry.sequence} was altered")
        head = Head(entry.sequence, entry.sha256)
        yield entry
