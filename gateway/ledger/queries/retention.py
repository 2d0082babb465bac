"""What retention asks of the ledger besides rows whose time is over: delivered files by their names, locked-away files, what the chain
says of removals, and certificates. Reads only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import Connection, select

from gateway.domain.identity import is_id
from gateway.domain.states import Direction, State
from gateway.ledger.commitment import ERASED
from gateway.ledger.tables import EVENTS, QUARANTINE, RECEIPTS, TRANSFERS
from gateway.ledger.units import Quarantined, Receipt, Transfer

CERTIFIED: Final = "retention.certified"
BEGUN: Final = "retention.begun"
COMPACTED: Final = "ledger.compacted"
SUBJECT: Final = "retention"
"""What all three are about: the index of subjects finds them in a chain of any length."""
DISPOSALS: Final = (
    *("transfer.disposed", "quarantine.disposed", "spool.disposed"),
    *("transfer.erased", "consignment.erased", "receipt.erased", "quarantine.erased"),
    *("request.erased", "reason.erased", "hold.erased", "person.erased"),
    *("opening.erased", "check.erased", "printing.erased", "incident.erased", "form.erased"),
)
"""The events that say that something is gone."""

_GROUP: Final = 500


class Certificate(NamedTuple):
    """A certificate that the chain has: the day, the SHA-256 of the signed text, the text, and the last event that it covers."""

    day: str
    sha256: str
    text: str
    until: int


class Said(NamedTuple):
    """One event that says that something is gone, or that somebody had it removed."""

    sequence: int
    at: str
    event: str
    subject: str
    partner: str | None
    detail: dict[str, Any]


def delivered_as(connection: Connection, flow: str, partner: str, names: Sequence[str]) -> Iterator[Transfer]:
    """The transfers that were delivered under one of these names and have ended, the last of each name."""
    found: dict[str, Transfer] = {}
    for start in range(0, len(names), _GROUP):
        query = (
            select(TRANSFERS)
            .where(
                TRANSFERS.c.delivered_name.is_not(None),
                TRANSFERS.c.delivered_name.in_(names[start : start + _GROUP]),
                TRANSFERS.c.flow == flow,
                TRANSFERS.c.partner == partner,
                TRANSFERS.c.direction == str(Direction.IN),
                TRANSFERS.c.state.in_([str(State.DELIVERED), str(State.INGESTED)]),
            )
            .order_by(TRANSFERS.c.key)
        )
        found |= {str(row.delivered_name): Transfer._make(row) for row in connection.execute(query)}
    yield from found.values()


def locked_away(connection: Connection, until: float) -> list[Quarantined]:
    """What was locked away by then and lies there still, by their ids."""
    query = select(QUARANTINE).where(QUARANTINE.c.discarded.is_(None), QUARANTINE.c.received <= until)
    return [Quarantined._make(row) for row in connection.execute(query.order_by(QUARANTINE.c.id))]


def has_event(connection: Connection, event: str, subject: str, partner: str | None) -> bool:
    """Whether the chain has that event about that subject."""
    query = select(EVENTS.c.sequence).where(
        EVENTS.c.subject == subject, EVENTS.c.event == event, EVENTS.c.partner == partner
    )
    return connection.execute(query.limit(1)).first() is not None


def erased_at(connection: Connection, kind: str, subject: str, partner: str) -> str | None:
    """When what may name people was erased in the row of that kind; None where it was not."""
    query = select(EVENTS.c.at).where(
        EVENTS.c.subject == subject, EVENTS.c.event == f"{kind}.erased", EVENTS.c.partner == partner
    )
    return connection.execute(query.order_by(EVENTS.c.sequence.desc()).limit(1)).scalar()


def is_erased(connection: Connection, direction: str, partner: str, identity: str) -> bool:
    """Whether the transfer of that id has lost what may name people; False for one that there is not."""
    if not is_id(identity):
        return False
    salt = connection.execute(
        select(TRANSFERS.c.salt).where(
            TRANSFERS.c.direction == direction, TRANSFERS.c.partner == partner, TRANSFERS.c.id == identity
        )
    ).scalar()
    return isinstance(salt, str) and salt.startswith(ERASED)


def erased_receipts(connection: Connection, partner: str, consignment: str) -> list[Receipt]:
    """The partner's accepted receipts about a consignment whose text was erased."""
    query = select(RECEIPTS).where(
        RECEIPTS.c.consignment == consignment,
        RECEIPTS.c.direction == str(Direction.IN),
        RECEIPTS.c.partner == partner,
        RECEIPTS.c.state == str(State.ACCEPTED),
        RECEIPTS.c.salt.startswith(ERASED),
    )
    return [Receipt._make(row) for row in connection.execute(query)]


def certificates(connection: Connection) -> list[Certificate]:
    """Every certificate that the chain has, the oldest first."""
    query = select(EVENTS.c.at, EVENTS.c.detail).where(EVENTS.c.subject == SUBJECT, EVENTS.c.event == CERTIFIED)
    rows = connection.execute(query.order_by(EVENTS.c.sequence))
    return [
        Certificate(at[:10], told["sha256"], told["text"][0], int(told["events"][1]))
        for at, told in ((at, orjson.loads(detail)) for at, detail in rows)
    ]


def last_certified(connection: Connection) -> int:
    """The last event that a certificate covers, 0 where there is none."""
    return max((each.until for each in certificates(connection)), default=0)


def last_compacted(connection: Connection) -> tuple[int, str]:
    """The event that says when the ledger was written anew last: its number, and when; (0, "") where it never was."""
    query = select(EVENTS.c.sequence, EVENTS.c.at).where(EVENTS.c.subject == SUBJECT, EVENTS.c.event == COMPACTED)
    row = connection.execute(query.order_by(EVENTS.c.sequence.desc()).limit(1)).first()
    return (0, "") if row is None else (row.sequence, row.at)


def has_erased(connection: Connection, sequence: int) -> bool:
    """Whether anything was erased after an event."""
    erased = [name for name in DISPOSALS if name.endswith(".erased")]
    query = select(EVENTS.c.sequence).where(EVENTS.c.sequence > sequence, EVENTS.c.event.in_(erased))
    return connection.execute(query.limit(1)).first() is not None


def said_since(connection: Connection, sequence: int) -> Iterator[Said]:
    """What the chain says of removals after an event, in order, streamed."""
    query = select(*(EVENTS.c[name] for name in ("sequence", "at", "event", "subject", "partner", "detail"))).where(
        EVENTS.c.sequence > sequence, EVENTS.c.event.in_([*DISPOSALS, BEGUN])
    )
    for row in connection.execute(query.order_by(EVENTS.c.sequence), execution_options={"yield_per": 2000}):
        yield Said(row.sequence, row.at, row.event, row.subject, row.partner, orjson.loads(row.detail))
