"""The spans of one transfer at one site, made of the chain's events. Pure; raises nothing.

Both sites make spans of one trace with nothing on the wire: the transfer's id is a UUID, and its 16 bytes are the trace's id. A span's id follows
from what it is about, so that making it again gives the same one. A span holds codes, numbers, flows and states; never a name, a
reference, a reason or a digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import orjson

from gateway.domain.states import Direction, State
from gateway.events import BY_NAME, Event
from gateway.ledger.chain import ChainEntry
from gateway.ledger.units import Transfer

OUT_ENDS: Final = frozenset(
    {
        Event.TRANSFER_RECEIPTED,
        Event.TRANSFER_REJECTED,
        Event.TRANSFER_QUARANTINED,
        Event.TRANSFER_EXPIRED,
        Event.TRANSFER_UNCONFIRMED,
    }
)
"""What ends a transfer at the sender. What the back office says days later is not part of it, as in the metrics."""
ANSWERED: Final = frozenset({Event.RECEIPT_SENT, Event.RECEIPT_EXPORTED})
"""What ends a transfer at the receiver, once it is dealt with there: its receipt is on its way."""
_DEALT_WITH: Final = frozenset({Event.TRANSFER_DELIVERED, Event.TRANSFER_REJECTED, Event.TRANSFER_QUARANTINED})
_FAILED: Final = frozenset({State.REJECTED, State.QUARANTINED, State.EXPIRED})


@dataclass(frozen=True)
class Span:
    """A span of OpenTelemetry: ids in hexadecimal, times in RFC 3339 (UTC). `failed` is whether its status is ERROR."""

    trace_id: str
    span_id: str
    parent_id: str | None
    name: str
    start: str
    end: str
    failed: bool
    attributes: Mapping[str, str | int]


@dataclass(frozen=True)
class Trace:
    """One site's part of a trace: its root first. `ended` is the number of the event that ended the transfer here."""

    ended: int
    spans: tuple[Span, ...]


def trace_of(site: str, row: Transfer, entries: Sequence[ChainEntry]) -> Trace | None:
    """The spans of a transfer at the site of that code; None where it has not ended there.

    `entries` are the chain's events about it, its consignment and the receipt, in order; others may be among them. A child span is the time from one
    event that moved something to the next, and is called as the event that ended it.
    """
    told = [each for each in entries if _is_about(row, each) and each.event in BY_NAME and BY_NAME[each.event].moves]
    dealt_with, end = _ends(row.direction, told)
    if dealt_with is None or end is None:
        return None
    told = [each for each in told if each.sequence <= end.sequence]
    about: dict[str, str | int] = {
        "gateway.site": site,
        "gateway.partner": row.partner,
        "gateway.direction": str(row.direction),
        "gateway.flow": row.flow,
    }
    trace, root = row.id.replace("-", ""), _span_id(site, row, "transfer")
    outcome: dict[str, str | int] = {
        "gateway.bytes": row.size,
        "gateway.state": str(_state(dealt_with)),
        **_error(dealt_with),
    }
    start = told[0].at
    spans = [
        Span(
            trace_id=trace,
            span_id=root,
            parent_id=None,
            name=f"{row.flow} {row.direction}",
            start=start,
            end=max([start, *(each.at for each in told)]),  # the clock may have been put back meanwhile
            failed=_state(dealt_with) in _FAILED,
            attributes=about | outcome,
        )
    ]
    for before, each in pairwise(told):
        spans.append(
            Span(
                trace_id=trace,
                span_id=_span_id(site, row, str(each.sequence)),
                parent_id=root,
                name=each.event,
                start=before.at,
                end=max(before.at, each.at),
                failed=_state(each) in _FAILED,
                attributes=about | {"gateway.role": each.role} | _error(each),
            )
        )
    return Trace(end.sequence, tuple(spans))


def _is_about(row: Transfer, entry: ChainEntry) -> bool:
    subject = row.id if entry.kind == "transfer" else row.consignment
    return entry.partner == row.partner and entry.subject == subject


def _ends(direction: Direction, told: Sequence[ChainEntry]) -> tuple[ChainEntry | None, ChainEntry | None]:
    """The event that says what became of the transfer, and the one that it ends with at this site."""
    ends = OUT_ENDS if direction is Direction.OUT else _DEALT_WITH
    # The last of them: a receipt may come for one that was given up.
    dealt_with = next((each for each in reversed(told) if each.event in ends), None)
    if dealt_with is None or direction is Direction.OUT:
        return dealt_with, dealt_with
    after = (each for each in told if each.event in ANSWERED and each.sequence > dealt_with.sequence)
    return dealt_with, next(after, None)


def _state(entry: ChainEntry) -> str | None:
    return BY_NAME[entry.event].state


def _error(entry: ChainEntry) -> dict[str, str]:
    """The code of the error that an event tells of, under OpenTelemetry's own name for it."""
    code = orjson.loads(entry.detail).get("code")
    return {"error.type": code} if isinstance(code, str) else {}


def _span_id(site: str, row: Transfer, stage: str) -> str:
    """The first 8 bytes of a SHA-256, in hexadecimal."""
    return hashlib.sha256(f"{site}/{row.direction}/{row.id}/{stage}".encode()).hexdigest()[:16]
