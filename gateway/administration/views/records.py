"""Rows of the ledger as people and scripts are shown them. Raises nothing of its own; nothing is changed.

The fields, in their order, are the contract of `--json`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.administration.views.words import within
from gateway.domain.identity import to_text
from gateway.domain.states import Direction, State
from gateway.errors import ContentInvalid, FileInfected, RefusedByBackOffice, StoreFileLost, remedies
from gateway.ledger.chain import ChainEntry
from gateway.ledger.queries.events import reasons_of
from gateway.ledger.queries.facts import exceptions_in
from gateway.ledger.queries.failing_lanes import alarm
from gateway.ledger.store import Connection
from gateway.ledger.units import Consignment, Quarantined, Receipt, Transfer, Unit


@dataclass(frozen=True)
class LaneAlarm:
    """What keeps failing in a lane; `words` says it in a sentence without a full stop."""

    failures: int
    since: str
    code: str
    reason: str
    remedy: str
    words: str


@dataclass(frozen=True)
class ExceptionCount:
    """How many exceptions a file has, and in how many of its records."""

    count: int
    records: int


@dataclass(frozen=True)
class TransferView:
    """A transfer. Times are RFC 3339, UTC; sizes are in bytes."""

    id: str
    direction: str
    flow: str
    partner: str
    name: str
    size: int
    sha256: str
    schema: str | None
    reference: str | None
    redirected_from: str | None
    consignment: str | None
    position: int | None
    delivered_as: str | None
    state: str
    resume: str | None
    code: str | None
    reason: str | None
    attempts: int
    next_try: str | None
    created: str
    updated: str
    expires: str | None
    in_custody: bool
    unconfirmed: bool
    exceptions: ExceptionCount | None


@dataclass(frozen=True)
class ConsignmentView:
    """A consignment. Times are RFC 3339, UTC; sizes are in bytes."""

    id: str
    direction: str
    partner: str
    sequence: int | None
    items: int
    bytes: int
    sealed_size: int | None
    sealed_sha256: str | None
    state: str
    resends: int
    resume: str | None
    code: str | None
    reason: str | None
    attempts: int
    next_try: str | None
    created: str
    updated: str
    expires: str | None


@dataclass(frozen=True)
class ReceiptView:
    """A receipt; `content` is its text, None while it is not written or not read yet."""

    direction: str
    partner: str
    consignment: str
    level: str | None
    state: str
    resume: str | None
    code: str | None
    reason: str | None
    attempts: int
    next_try: str | None
    created: str
    updated: str
    content: dict[str, Any] | None


@dataclass(frozen=True)
class EventView:
    """An event of the audit chain."""

    sequence: int
    at: str
    role: str
    event: str
    kind: str
    subject: str
    partner: str | None
    detail: Mapping[str, Any]


@dataclass(frozen=True)
class QuarantinedView:
    """A quarantined file: the contract of `quarantine list --json`."""

    id: str
    kind: str
    consignment: str
    partner: str
    code: str
    reason: str
    received: str | None
    size: int
    sha256: str
    discarded: str | None


def trouble(connection: Connection, partner: str, most: int) -> LaneAlarm | None:
    """What keeps failing in the lane to a partner, where that is an alarm."""
    found = alarm(connection, partner, most)
    if found is None:
        return None
    what = "has failed" if found.subject == partner else "has a file that failed"
    words = (
        f"the lane to {partner} {what} {found.times} times in a row, since {found.since[:16]}Z: {within(found.reason)}"
    )
    if found.code == StoreFileLost.code:
        words = f"a file of {partner} waits since {found.since[:16]}Z: {within(found.reason)}"
    return LaneAlarm(
        failures=found.times,
        since=found.since,
        code=found.code,
        reason=found.reason,
        remedy=remedies().get(found.code, ""),
        words=words,
    )


def moment(seconds: float | None) -> str | None:
    """RFC 3339, UTC; None for a time that there is not."""
    return None if not seconds else to_text(seconds)


def transfer(row: Transfer) -> TransferView:
    """A transfer as people are shown it."""
    return TransferView(
        id=row.id,
        direction=row.direction,
        flow=row.flow,
        partner=row.partner,
        name=row.name,
        size=row.size,
        sha256=row.sha256,
        schema=row.schema,
        reference=row.reference,
        redirected_from=row.redirected_from,
        consignment=row.consignment,
        position=row.position,
        delivered_as=row.delivered_name,
        state=row.state,
        **_work(row),
        expires=moment(row.expires),
        in_custody=row.custody,
        unconfirmed=row.is_unconfirmed,
        exceptions=exceptions(exceptions_in(row.facts)),
    )


def exceptions(counts: tuple[int, int] | None) -> ExceptionCount | None:
    """How many exceptions a file has, and in how many of its records; None where it has none."""
    return None if counts is None else ExceptionCount(*counts)


def consignment(row: Consignment) -> ConsignmentView:
    """A consignment as people are shown it."""
    return ConsignmentView(
        id=row.id,
        direction=row.direction,
        partner=row.partner,
        sequence=row.sequence,
        items=row.items,
        bytes=row.bytes,
        sealed_size=row.sealed_size,
        sealed_sha256=row.sealed_sha256,
        state=row.state,
        resends=row.resends,
        **_work(row),
        expires=moment(row.expires),
    )


def receipt(row: Receipt) -> ReceiptView:
    """A receipt as people are shown it."""
    return ReceiptView(
        direction=row.direction,
        partner=row.partner,
        consignment=row.consignment,
        level=row.level,
        state=row.state,
        **_work(row),
        content=orjson.loads(row.body) if row.body else None,
    )


def events(connection: Connection, rows: Sequence[ChainEntry]) -> tuple[EventView, ...]:
    """Events of the chain as people are shown them, decisions with their reason."""
    reasons = reasons_of(connection, rows)
    return tuple(
        EventView(
            sequence=row.sequence,
            at=row.at,
            role=row.role,
            event=row.event,
            kind=row.kind,
            subject=row.subject,
            partner=row.partner,
            detail=orjson.loads(row.detail) | ({"reason": reasons[row.sequence]} if row.sequence in reasons else {}),
        )
        for row in rows
    )


def quarantined(row: Quarantined) -> QuarantinedView:
    """A quarantined file as people are shown it."""
    return QuarantinedView(
        id=row.id,
        kind=row.kind,
        consignment=row.consignment,
        partner=row.partner,
        code=row.code,
        reason=row.reason,
        received=moment(row.received),
        size=row.size,
        sha256=row.sha256,
        discarded=moment(row.discarded),
    )


def remedy(code: str | None, state: str, direction: str, identity: str) -> str | None:
    """What a person does next about something that stopped, with the id filled in; None where there is nothing to do."""
    if state == State.QUARANTINED and direction == Direction.OUT and code != FileInfected.code:
        return "The partner's gateway locked it away: ask the partner why, then submit it again."
    if code == RefusedByBackOffice.code:
        return RefusedByBackOffice.remedy if direction == Direction.OUT else None
    if state not in (State.HELD, State.REJECTED, State.QUARANTINED, State.EXPIRED):
        return None
    return remedy_of(code, identity) or ContentInvalid.remedy.replace(" ID", f" {identity}")


def remedy_of(code: str | None, identity: str) -> str | None:
    """What to do about an error of that code, with the id filled in; None for a code that is no error of the gateway's."""
    text = remedies().get(code or "")
    return None if text is None else text.replace(" ID", f" {identity}")


def _work(row: Unit) -> dict[str, Any]:
    return {
        "resume": row.resume,
        "code": row.code,
        "reason": row.reason,
        "attempts": row.attempts,
        "next_try": moment(row.due),
        "created": to_text(row.created),
        "updated": to_text(row.updated),
    }
