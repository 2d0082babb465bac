"""What validators told about transfers, read back from their rows: referrals, answers, extracts.

Computed at each asking and kept nowhere else: facts never change once they are written, and 100,000 referrals among a
million transfers are read in seconds (ADR 0017), so a table of their own would only be a second truth. Reads only, by the
index on partner and flow; raises nothing of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Row, select

from gateway.domain.calendar import Delivery
from gateway.domain.extract_name import FLOW as EXTRACT
from gateway.domain.extract_name import authorities_named
from gateway.domain.referrals import Answer, AnsweredBy, Loop, Sending, close
from gateway.domain.states import Direction, State
from gateway.ledger.tables import EVENTS, LANES, TRANSFERS

ASKING: Final = ("referral", "scan")
"""The flows whose records wait for an answer."""

_ARRIVED: Final = {
    Direction.OUT: (str(State.RECEIPTED), str(State.INGESTED)),
    Direction.IN: (str(State.DELIVERED), str(State.INGESTED)),
}
_WENT_ON: Final = tuple(
    map(str, (State.VALIDATED, State.PACKED, State.SEALED, State.SENT, State.RECEIPTED, State.INGESTED))
)
_READ: Final = ("id", "partner", "flow", "name", "created", "facts")
_GROUP: Final = 500


def known_partners(connection: Connection) -> set[str]:
    """Every partner that anything was ever exchanged with, those no longer configured included."""
    return set(connection.execute(select(LANES.c.partner)).scalars())


def loop(connection: Connection, partners: Collection[str]) -> Loop:
    """Every record of a referral or scan that these partners have receipted, and what answers it."""
    unlisted = 0
    sendings: list[Sending] = []
    for row in _transfers(connection, Direction.OUT, ASKING, partners):
        told = _told(row)
        numbers, rules, days = _list(told, "rms"), _list(told, "rule"), _list(told, "reply_by")
        unlisted += _unlisted(told, numbers)
        for at, rms in enumerate(numbers):
            if not rms:  # an exception: there is no number to answer
                continue
            # Each has exactly one rule and one day, so the lists are in step; where one is cut, so are all.
            rule = rules[at] if at < len(rules) else ""
            reply_by = date.fromisoformat(days[at]) if at < len(days) and days[at] else None
            sendings.append(Sending(row.partner, rms, row.flow, rule, reply_by, row.created, row.id))
    answers: list[Answer] = []
    for row in _transfers(connection, Direction.IN, tuple(AnsweredBy), partners):
        told = _told(row)
        numbers = _list(told, "rms")
        unlisted += _unlisted(told, numbers)
        kind = AnsweredBy(row.flow)
        # An outcome's list holds the numbers, an extract's what its R records say besides.
        listed = [each["rms"] if isinstance(each, dict) else each for each in numbers]
        answers += [Answer(row.partner, rms, kind, row.created, row.id) for rms in listed if rms]
    return close(sendings, answers, unlisted)


def exceptions_in(facts: str | None) -> tuple[int, int] | None:
    """How many exceptions a transfer's facts tell of, and in how many records; None where they tell of none."""
    if facts is None or '"exceptions"' not in facts:  # most rows, of which some have long facts
        return None
    told = orjson.loads(facts)
    return int(told["exceptions"]), int(told["faulty_records"])


def extracts(
    connection: Connection, partners: Collection[str], same: Callable[[str, str], bool]
) -> Iterator[tuple[str, Delivery]]:
    """Every extract that was delivered here, with the partner that it came from; `same` compares codes of authorities."""
    for row in _transfers(connection, Direction.IN, (EXTRACT,), partners):
        other = not all(same(code, row.partner) for code in authorities_named(row.name))
        records = _count(_told(row), "records")
        yield row.partner, Delivery(row.id, row.name, row.created, records, exceptions_in(row.facts), other)


def last_volume(connection: Connection, flow: str, partner: str, before: int) -> tuple[str, int] | None:
    """The last transfer of a flow that a partner receipted, admitted before the row of that key: id and records."""
    row = connection.execute(
        select(TRANSFERS)
        .where(
            TRANSFERS.c.partner == partner,
            TRANSFERS.c.flow == flow,
            TRANSFERS.c.direction == str(Direction.OUT),
            TRANSFERS.c.state.in_(_ARRIVED[Direction.OUT]),
            TRANSFERS.c.key < before,
        )
        .order_by(TRANSFERS.c.key.desc())
        .limit(1)
    ).first()
    records = None if row is None else _count(_told(row), "records")
    return None if row is None or records is None else (row.id, records)


def released_names(connection: Connection, flow: str, partner: str, code: str) -> list[str]:
    """The names of submitted files of a flow to a partner that were held for `code`, and let go on by a person."""
    query = select(TRANSFERS.c.id, TRANSFERS.c.name).where(
        TRANSFERS.c.partner == partner,
        TRANSFERS.c.flow == flow,
        TRANSFERS.c.direction == str(Direction.OUT),
        TRANSFERS.c.state.in_(_WENT_ON),
    )
    names: dict[str, str] = {row.id: row.name for row in connection.execute(query)}
    held = last_details(connection, ["transfer.held"], list(names))
    return [names[identity] for identity, (_, detail) in held.items() if detail.get("code") == code]


def events_about(connection: Connection, events: Sequence[str], subjects: Sequence[str]) -> dict[tuple[str, str], str]:
    """Which of these events the chain has about which of these subjects, and when the first was: RFC 3339."""
    found: dict[tuple[str, str], str] = {}
    for start in range(0, len(subjects), _GROUP):
        query = (
            select(EVENTS.c.event, EVENTS.c.subject, EVENTS.c.at)
            .where(EVENTS.c.subject.in_(subjects[start : start + _GROUP]), EVENTS.c.event.in_(events))
            .order_by(EVENTS.c.sequence)
        )
        for name, subject, at in connection.execute(query):
            found.setdefault((name, subject), at)
    return found


def last_details(
    connection: Connection, events: Sequence[str], subjects: Sequence[str]
) -> dict[str, tuple[str, Mapping[str, Any]]]:
    """The last of these events that the chain has about each subject, with what it says."""
    found: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for start in range(0, len(subjects), _GROUP):
        query = (
            select(EVENTS.c.event, EVENTS.c.subject, EVENTS.c.detail)
            .where(EVENTS.c.subject.in_(subjects[start : start + _GROUP]), EVENTS.c.event.in_(events))
            .order_by(EVENTS.c.sequence)
        )
        for name, subject, detail in connection.execute(query):
            found[subject] = (name, orjson.loads(detail))
    return found


def _transfers(
    connection: Connection, direction: Direction, flows: Sequence[str], partners: Collection[str]
) -> Iterator[Row[Any]]:
    """Transfers that arrived, of these flows and partners, partner by partner: so that the index is used."""
    query = select(*(TRANSFERS.c[name] for name in _READ)).where(
        TRANSFERS.c.flow.in_(flows),
        # As an expression: the index of direction and partner would read all of a partner's transfers.
        TRANSFERS.c.direction.concat("") == str(direction),
        TRANSFERS.c.state.in_(_ARRIVED[direction]),
    )
    for partner in sorted(partners):
        yield from connection.execute(query.where(TRANSFERS.c.partner == partner).order_by(TRANSFERS.c.key))


def _told(row: Row[Any]) -> Mapping[str, str]:
    return orjson.loads(row.facts) if row.facts else {}


def _list(told: Mapping[str, str], name: str) -> list[Any]:
    """A fact that is a list: JSON in a text, as the validators give it."""
    return orjson.loads(told[name]) if name in told else []


def _unlisted(told: Mapping[str, str], numbers: Sequence[Any]) -> int:
    """How many numbers a file had beyond those that a list of facts holds."""
    return max(0, (_count(told, "rms_total") or 0) - len(numbers))


def _count(told: Mapping[str, str], name: str) -> int | None:
    return int(told[name]) if name in told else None
