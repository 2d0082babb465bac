"""Names of things: transfer and consignment ids (UUIDv7, RFC 9562 section 5.7), digests and times as text."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

_UUID7: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")

_FIRST: Final = datetime(1970, 1, 1, tzinfo=UTC)
_END: Final = datetime(9999, 1, 1, tzinfo=UTC)

RANDOM_BYTES: Final = 10
"""How many random bytes `new_id` takes."""


def new_id(now: float, random: bytes) -> str:
    """A UUIDv7 in canonical lower case, from seconds since 1970 and ten random bytes."""
    milliseconds = int(now * 1000) & 0xFFFF_FFFF_FFFF
    noise = int.from_bytes(random[:RANDOM_BYTES], "big")
    value = milliseconds << 80 | 0x7 << 76 | (noise >> 68 & 0xFFF) << 64 | 0b10 << 62 | noise & 0x3FFF_FFFF_FFFF_FFFF
    text = f"{value:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def is_id(text: str) -> bool:
    """Whether `text` is a UUIDv7 in canonical lower case; anything else never becomes a path."""
    return _UUID7.fullmatch(text) is not None


def made_at(identity: str) -> float:
    """When an id was made, by the clock of who made it, in seconds since 1970."""
    return int(identity.replace("-", "")[:12], 16) / 1000


def to_text(moment: float) -> str:
    """Seconds since 1970 as `2026-11-21T10:00:00.123Z` (RFC 3339, UTC)."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_text(text: str) -> float:
    """An RFC 3339 time as seconds since 1970; ValueError where it names no offset, or where `to_text` could not write it."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without an offset")
    if not _FIRST <= moment < _END:
        raise ValueError("a time before 1970 or after 9998")
    return moment.timestamp()
