"""The chain's events, by what they are about. Reads only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import Connection, func, select

from gateway.domain.states import Direction
from gateway.ledger.chain import ChainEntry
from gateway.ledger.tables import EVENTS, REASONS, TRANSFERS

_GROUP: Final = 500
"""Subjects in one query: SQLite bounds them."""


def chain(connection: Connection, after: int = 0, until: int | None = None) -> Iterator[ChainEntry]:
    """The chain's entries in order, streamed."""
    query = select(EVENTS).where(EVENTS.c.sequence > after).order_by(EVENTS.c.sequence)
    if until is not None:
        query = query.where(EVENTS.c.sequence <= until)
    for row in connection.execute(query, execution_options={"yield_per": 2000}):
        yield ChainEntry(*row)


def some_after(connection: Connection, sequence: int, most: int) -> list[ChainEntry]:
    """The first events after that number, at most so many, in order."""
    query = select(EVENTS).where(EVENTS.c.sequence > sequence).order_by(EVENTS.c.sequence).limit(most)
    return [ChainEntry(*row) for row in connection.execute(query)]


def some_named(connection: Connection, names: Sequence[str], after: int, until: int, most: int) -> list[ChainEntry]:
    """The first events of these names between two numbers, the second included; at most so many, in order."""
    query = (
        select(EVENTS)
        .where(EVENTS.c.sequence > after, EVENTS.c.sequence <= until, EVENTS.c.event.in_(names))
        .order_by(EVENTS.c.sequence)
        .limit(most)
    )
    return [ChainEntry(*row) for row in connection.execute(query)]


def first_named(connection: Connection, names: Sequence[str], after: int) -> ChainEntry | None:
    """The first event of these names after that number."""
    query = select(EVENTS).where(EVENTS.c.sequence > after, EVENTS.c.event.in_(names))
    row = connection.execute(query.order_by(EVENTS.c.sequence).limit(1)).first()
    return None if row is None else ChainEntry(*row)


def last_named(connection: Connection, names: Sequence[str], subjects: Sequence[str], most: int) -> list[ChainEntry]:
    """The last events of these names about these subjects, at most so many, the newest first."""
    query = select(EVENTS).where(EVENTS.c.subject.in_(subjects), EVENTS.c.event.in_(names))
    query = query.order_by(EVENTS.c.sequence.desc()).limit(most)
    return [ChainEntry(*row) for row in connection.execute(query)]


def last_before(connection: Connection, at: str) -> int:
    """The number of the last event from before a moment (RFC 3339); 0 where there is none.

    Found by halving, since events come in the order of time. Where the clock was once put back, the moment may lie in the chain twice:
    one of the two is found.
    """
    low, high = 0, connection.execute(select(func.max(EVENTS.c.sequence))).scalar() or 0
    while low < high:
        middle = (low + high + 1) // 2
        # An event may be missing where somebody edited the file: the next one stands for it.
        query = select(EVENTS.c.at).where(EVENTS.c.sequence >= middle).order_by(EVENTS.c.sequence).limit(1)
        low, high = (middle, high) if connection.execute(query).scalar_one() < at else (low, middle - 1)
    return low


def flows_of(connection: Connection, entries: Sequence[ChainEntry]) -> dict[tuple[str, str | None], set[str]]:
    """The flows of the transfers that these events are about, alone or in a consignment, by subject and partner.

    A consignment that was not opened yet has none.
    """
    columns = {"transfer": TRANSFERS.c.id, "consignment": TRANSFERS.c.consignment, "receipt": TRANSFERS.c.consignment}
    about: dict[tuple[str | None, str], set[str]] = {}
    for entry in entries:
        if entry.kind in columns:
            about.setdefault((entry.partner, entry.kind), set()).add(entry.subject)
    found: dict[tuple[str, str | None], set[str]] = {}
    for (partner, kind), subjects in about.items():
        column = columns[kind]
        # As an expression where the subject is no transfer: the index of partners would read all of one's transfers.
        whose = TRANSFERS.c.partner if kind == "transfer" else TRANSFERS.c.partner.concat("")
        query = select(column, TRANSFERS.c.flow).where(TRANSFERS.c.direction.in_(map(str, Direction)), whose == partner)
        for start in range(0, len(subjects), _GROUP):
            group = sorted(subjects)[start : start + _GROUP]
            for subject, flow in connection.execute(query.where(column.in_(group)).distinct()):
                found.setdefault((subject, partner), set()).add(flow)
    return found


def events_of(connection: Connection, subjects: Sequence[str]) -> list[ChainEntry]:
    """The events about these subjects, in order."""
    query = select(EVENTS).where(EVENTS.c.subject.in_(subjects)).order_by(EVENTS.c.sequence)
    return [ChainEntry(*row) for row in connection.execute(query)]


def reasons_of(connection: Connection, entries: Sequence[ChainEntry]) -> dict[int, str]:
    """Why people decided, in their words, by the numbers of these events; without what was erased."""
    found: dict[int, str] = {}
    for start in range(0, len(entries), _GROUP):
        numbers = [entry.sequence for entry in entries[start : start + _GROUP]]
        query = select(REASONS.c.sequence, REASONS.c.text).where(REASONS.c.sequence.in_(numbers), REASONS.c.text != "")
        found.update((number, text) for number, text in connection.execute(query))
    return found


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
