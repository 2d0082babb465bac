"""Looking into the ledger from the command line, and how its rows are shown as data.

Raises NotPermitted where this user may not read the site's state, and what the ledger raises. Nothing is changed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import orjson

from gateway.cli.words import within
from gateway.domain.identity import to_text
from gateway.domain.states import Direction, State
from gateway.errors import ContentInvalid, FileInfected, NotPermitted, RefusedByBackOffice, documented_errors
from gateway.ledger.chain import Entry
from gateway.ledger.queries.facts import exceptions_in
from gateway.ledger.queries.failing_lanes import alarm
from gateway.ledger.store import Connection, Ledger
from gateway.ledger.units import Consignment, Quarantined, Receipt, Transfer, Unit
from gateway.settings.model import Settings

ROLE: Final = "command"
"""Who writes, in the chain, where a command does."""


@contextmanager
def opened(settings: Settings) -> Iterator[Ledger]:
    """The site's ledger, closed at the end."""
    with permitted():
        ledger = Ledger(settings.home.ledger, clock=time.time, role=ROLE)
    try:
        ledger.check()
        yield ledger
    finally:
        ledger.close()


@contextmanager
def permitted() -> Iterator[None]:
    """Turn the system's refusal into NotPermitted."""
    try:
        yield
    except PermissionError as error:
        raise NotPermitted("You may not look into the state of this site.") from error


def trouble(connection: Connection, partner: str, most: int) -> dict[str, Any] | None:
    """What keeps failing in the lane to a partner, where that is an alarm."""
    found = alarm(connection, partner, most)
    if found is None:
        return None
    what = "has failed" if found.subject == partner else "has a file that failed"
    remedy = next((error.remedy for error in documented_errors() if error.code == found.code), "")
    return {
        "failures": found.times,
        "since": found.since,
        "code": found.code,
        "reason": found.reason,
        "remedy": remedy,
        "words": f"the lane to {partner} {what} {found.times} times in a row, since {found.since[:16]}Z: {within(found.reason)}",
    }


def moment(seconds: float | None) -> str | None:
    """RFC 3339, UTC; None for a time that there is not."""
    return None if not seconds else to_text(seconds)


def transfer(row: Transfer) -> dict[str, Any]:
    """A transfer as data: the contract of `transfers --json`."""
    return {
        "id": row.id,
        "direction": row.direction,
        "flow": row.flow,
        "partner": row.partner,
        "name": row.name,
        "size": row.size,
        "sha256": row.sha256,
        "schema": row.schema,
        "reference": row.reference,
        "redirected_from": row.redirected_from,
        "consignment": row.consignment,
        "position": row.position,
        "delivered_as": row.delivered_name,
        "state": row.state,
        **_work(row),
        "expires": moment(row.expires),
        "in_custody": row.custody,
        "exceptions": exceptions(exceptions_in(row.facts)),
    }


def exceptions(counts: tuple[int, int] | None) -> dict[str, int] | None:
    """How many exceptions a file has, and in how many of its records, as data; None where it has none."""
    return None if counts is None else {"count": counts[0], "records": counts[1]}


def consignment(row: Consignment) -> dict[str, Any]:
    """A consignment as data."""
    return {
        "id": row.id,
        "direction": row.direction,
        "partner": row.partner,
        "sequence": row.sequence,
        "items": row.items,
        "bytes": row.bytes,
        "sealed_size": row.sealed_size,
        "sealed_sha256": row.sealed_sha256,
        "state": row.state,
        "resends": row.resends,
        **_work(row),
        "expires": moment(row.expires),
    }


def receipt(row: Receipt) -> dict[str, Any]:
    """A receipt as data; `content` is its text, None while it is not written or not read yet."""
    return {
        "direction": row.direction,
        "partner": row.partner,
        "consignment": row.consignment,
        "level": row.level,
        "state": row.state,
        **_work(row),
        "content": orjson.loads(row.body) if row.body else None,
    }


def event(row: Entry) -> dict[str, Any]:
    """An event of the chain as data."""
    return {
        "sequence": row.sequence,
        "at": row.at,
        "role": row.role,
        "event": row.event,
        "kind": row.kind,
        "subject": row.subject,
        "partner": row.partner,
        "detail": orjson.loads(row.detail),
    }


def quarantined(row: Quarantined) -> dict[str, Any]:
    """A quarantined file as data: the contract of `quarantine list --json`."""
    return {
        "id": row.id,
        "kind": row.kind,
        "consignment": row.consignment,
        "partner": row.partner,
        "code": row.code,
        "reason": row.reason,
        "received": moment(row.received),
        "size": row.size,
        "sha256": row.sha256,
        "discarded": moment(row.discarded),
    }


def remedy(code: str | None, state: str, direction: str, identity: str) -> str | None:
    """What a person does next about something that stopped, with the id filled in; None where there is nothing to do."""
    if state == State.QUARANTINED and direction == Direction.OUT and code != FileInfected.code:
        return "The partner's gateway locked it away: ask the partner why, then submit it again."
    if code == RefusedByBackOffice.code:
        return RefusedByBackOffice.remedy if direction == Direction.OUT else None
    if state not in (State.HELD, State.REJECTED, State.QUARANTINED, State.EXPIRED):
        return None
    known = {error.code: error.remedy for error in documented_errors()}
    text = known.get(code or "", ContentInvalid.remedy)
    return text.replace(" ID", f" {identity}")


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
