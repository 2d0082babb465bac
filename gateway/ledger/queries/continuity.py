"""Business continuity as the chain tells of it: whether it is invoked here, and what partners' gateways say. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import Connection, Select, bindparam, select

from gateway.ledger.queries.events import events_of, reasons_of
from gateway.ledger.tables import EVENTS, TRANSFERS
from gateway.ledger.units import Transfer

SUBJECT: Final = "continuity"
"""What the chain calls it: the kind of its events, and the subject of those about this site."""
INVOKED: Final = "continuity.invoked"
UPDATED: Final = "continuity.updated"
TOLD: Final = "continuity.told"
ENDED: Final = "continuity.ended"
NOTED: Final = "continuity.noted"
LIFTED: Final = "continuity.lifted"

_GROUP: Final = 400


class Moments(NamedTuple):
    """Since when continuity is invoked, and when somebody said last how it stands: RFC 3339."""

    since: str
    updated: str


@dataclass(frozen=True)
class Standing:
    """Continuity that is invoked here: `since` and `updated` are RFC 3339, `reason` is what a person said last (None once it is
    erased), `told` are the places in the list of whom to tell, from 1.
    """

    since: str
    updated: str
    actor: str
    reason: str | None
    told: tuple[int, ...]


def subject_of(partner: str) -> str:
    """What the chain calls the partner's."""
    return f"{partner}/{SUBJECT}"


def invoked(connection: Connection) -> Moments | None:
    """Since when continuity is invoked here, and when somebody said last how it stands; None where it is not invoked."""
    last = _last(connection, INVOKED, UPDATED, ENDED)
    if last is None or last.event == ENDED:
        return None
    first = last if last.event == INVOKED else _last(connection, INVOKED)
    return None if first is None else Moments(first.at, last.at)


def noted(connection: Connection, partner: str) -> Moments | None:
    """The same of a partner, by what its gateway signed last."""
    last = _last(connection, NOTED, LIFTED, subject=subject_of(partner))
    return None if last is None or last.event == LIFTED else Moments(*orjson.loads(last.detail)["notice"])


class _Said(NamedTuple):
    event: str
    at: str
    detail: str


def _last(connection: Connection, *names: str, subject: str = SUBJECT) -> _Said | None:
    found = connection.execute(_last_of(names), {"subject": subject}).first()
    return None if found is None else _Said(*found)


@cache  # each consignment and each receipt asks; putting the question together takes longer than the answer
def _last_of(names: tuple[str, ...]) -> Select[Any]:
    query = select(EVENTS.c.event, EVENTS.c.at, EVENTS.c.detail)
    query = query.where(EVENTS.c.subject == bindparam("subject"), EVENTS.c.event.in_(names))
    return query.order_by(EVENTS.c.sequence.desc()).limit(1)


def standing(connection: Connection) -> Standing | None:
    """How it stands here; None where continuity is not invoked."""
    entries = events_of(connection, [SUBJECT])
    begins = [number for number, entry in enumerate(entries) if entry.event == INVOKED]
    if not begins or any(entry.event == ENDED for entry in entries[begins[-1] :]):
        return None
    now = entries[begins[-1] :]
    said = [entry for entry in now if entry.event in (INVOKED, UPDATED)][-1]
    return Standing(
        now[0].at,
        said.at,
        str(orjson.loads(now[0].detail)["actor"]),
        reasons_of(connection, [said]).get(said.sequence),
        tuple(sorted({int(orjson.loads(entry.detail)["count"]) for entry in now if entry.event == TOLD})),
    )


def last_invoked(connection: Connection) -> str | None:
    """When continuity was invoked here last, whether it has ended or not; None where it never was."""
    last = _last(connection, INVOKED)
    return None if last is None else last.at


def about(connection: Connection, words: Sequence[str], since: float) -> Iterator[Transfer]:
    """Transfers made since a moment whose reference or name is one of these words, in the order in which they came."""
    for start in range(0, len(words), _GROUP):
        group = words[start : start + _GROUP]
        for column in (TRANSFERS.c.reference, TRANSFERS.c.name):
            query = select(TRANSFERS).where(column.is_not(None), column.in_(group), TRANSFERS.c.created >= since)
            for row in connection.execute(query.order_by(TRANSFERS.c.key)):
                yield Transfer._make(row)
