"""Log-ins at the SFTP server as the chain has them. Reads only, by the index on subjects, which begin with the hour."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, select

from gateway.domain.identity import from_text, to_text
from gateway.domain.logins import SUBJECTS, hour_of
from gateway.ledger.audit.chain import loaded
from gateway.ledger.tables import EVENTS

ACCEPTED: Final = "logon.accepted"
REFUSED: Final = "logon.refused"
LOST: Final = "logon.lost"
KIND: Final = "logon"

_AFTER: Final = SUBJECTS[:-1] + chr(ord(SUBJECTS[-1]) + 1)


@dataclass(frozen=True)
class Recorded:
    """Log-ins of one kind in one hour, all events about them together. `hour` is RFC 3339; empty for a count that was lost."""

    hour: str
    event: str
    partner: str | None
    code: str | None
    fingerprint: str | None
    count: int


def is_recorded(connection: Connection, subject: str) -> bool:
    """Whether the chain has an event of that subject."""
    query = select(EVENTS.c.sequence).where(EVENTS.c.subject == subject, EVENTS.c.kind == KIND).limit(1)
    return connection.execute(query).first() is not None


def recorded(connection: Connection, since: float, partner: str | None = None) -> Iterator[Recorded]:
    """What there was from the hour of a moment on, hour by hour; of one partner or of everybody."""
    query = (
        select(EVENTS.c.event, EVENTS.c.partner, EVENTS.c.detail, EVENTS.c.at)
        .where(
            EVENTS.c.subject >= SUBJECTS + to_text(hour_of(since))[:13],
            EVENTS.c.subject < _AFTER,
            EVENTS.c.kind == KIND,
        )
        .order_by(EVENTS.c.subject, EVENTS.c.sequence)
    )
    found: dict[Recorded, int] = {}
    for event, whose, text, at in connection.execute(query):
        if partner not in (None, whose) or (event == LOST and from_text(at) < since):
            continue
        said = loaded(text)
        kind = Recorded(said.get("hour", ""), event, whose, said.get("code"), said.get("fingerprint"), 0)
        found[kind] = found.get(kind, 0) + said.get("count", 0)
    for kind, count in found.items():
        yield Recorded(kind.hour, kind.event, kind.partner, kind.code, kind.fingerprint, count)
