"""What the chain proves: rows as they are committed to, the piece of the chain that proves them, and who has confirmed it.

Reads only. ChainBroken where the chain does not say of a row what the row says: of such a ledger no evidence is made.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import Column, Connection, Select, Table, func, or_, select

from gateway.domain.requests import LOOKING, Act
from gateway.domain.states import State
from gateway.errors import ChainBroken
from gateway.ledger.audit.chain import loaded
from gateway.ledger.audit.rows import state_after
from gateway.ledger.chain import Head
from gateway.ledger.commitment import ADOPTED, COMMITTED, ERASED, KEY, PERSONAL, PLAIN, SALT, pairs_of, row_digest
from gateway.ledger.engine import driver_of
from gateway.ledger.queries.restorations import was_lost
from gateway.ledger.tables import CONSIGNMENTS, EVENTS, FILE, METADATA, QUARANTINE, RECEIPTS, REQUESTS, TRANSFERS
from gateway.ledger.units import Consignment, Receipt, Transfer

_GROUP: Final = 500
_ACCEPTED: Final = "receipt.accepted"
_NO_PART: Final = tuple(map(str, (*LOOKING, Act.CHECK)))
"""Requests that are no part of what became of a file. An upload is checked before it is one: the chain says so before the first event
about it, where no evidence begins."""
KEEPING: Final = (
    *("transfer.erased", "consignment.erased", "receipt.erased", "transfer.disposed"),
    *("hold.placed", "hold.released"),
)
"""Events that say how long something is kept, and nothing about what became of it."""

Place = tuple[str, str]
"""A table, and the primary key of one of its rows as text."""


class ProvenRow(NamedTuple):
    """A row with the digest that the chain commits to."""

    place: Place
    values: Mapping[str, Any]
    digest: str

    def told(self) -> dict[str, Any]:
        """The row as docs/audit.md has it: what its digest is made of, in order."""
        table, _ = self.place
        return {
            "table": table,
            "salt": self.values[SALT],
            "personal": self._pairs(table, PERSONAL[table]),
            "plain": self._pairs(table, PLAIN[table]),
        }

    def _pairs(self, table: str, columns: Sequence[str]) -> list[tuple[str, Any]]:
        pairs = pairs_of(table, columns, [self.values[name] for name in columns])
        return [(name, int(value) if isinstance(value, bool) else value) for name, value in pairs]


class Adopted(NamedTuple):
    """The day (UTC) on which an old ledger's chain committed to the rows that there were, and some of those rows."""

    day: str
    places: frozenset[Place]


class Confirmed(NamedTuple):
    """A partner's receipt, and the head of our chain that it says the partner has seen."""

    receipt: Receipt
    seen: Head


def rows_about(connection: Connection, unit: Transfer | Consignment) -> list[ProvenRow]:
    """A transfer or consignment, what carries it or what it carries, the receipts, what was locked away, what people asked
    and why they decided.
    """
    ids, parcel = [unit.id], unit.id if isinstance(unit, Consignment) else unit.consignment
    here = [CONSIGNMENTS.c.partner == unit.partner, CONSIGNMENTS.c.direction == str(unit.direction)]
    found = list(_rows(connection, CONSIGNMENTS, select(CONSIGNMENTS).where(CONSIGNMENTS.c.id == parcel, *here)))
    mine = TRANSFERS.c.id == unit.id if isinstance(unit, Transfer) else TRANSFERS.c.consignment == unit.id
    here = [TRANSFERS.c.partner == unit.partner, TRANSFERS.c.direction == str(unit.direction)]
    carried = list(_rows(connection, TRANSFERS, select(TRANSFERS).where(mine, *here).order_by(TRANSFERS.c.key)))
    if parcel is not None:
        about = select(RECEIPTS).where(RECEIPTS.c.partner == unit.partner, RECEIPTS.c.consignment == parcel)
        found += _rows(connection, RECEIPTS, about.order_by(RECEIPTS.c.key))
        ids.append(parcel)
    digests = [row.values["sha256"] for row in carried]
    locked = select(QUARANTINE).where(
        QUARANTINE.c.partner == unit.partner,
        QUARANTINE.c.consignment.in_(ids),
        or_(QUARANTINE.c.kind != FILE, QUARANTINE.c.sha256.in_(digests)),
    )
    asked = select(REQUESTS).where(
        REQUESTS.c.unit.in_(ids), REQUESTS.c.partner == unit.partner, REQUESTS.c.act.not_in(_NO_PART)
    )
    return [
        *carried,
        *found,
        *_rows(connection, QUARANTINE, locked.order_by(QUARANTINE.c.id)),
        *_rows(connection, REQUESTS, asked.order_by(REQUESTS.c.key)),
        *rows_at(connection, [("reasons", str(number)) for number in events_about(connection, unit)]),
    ]


def rows_at(connection: Connection, places: Iterable[Place]) -> Iterator[ProvenRow]:
    """The rows at these places that there are, table by table, in the order of their keys."""
    keys: dict[str, list[str]] = {}
    for name, text in places:
        keys.setdefault(name, []).append(text)
    for name, found in keys.items():
        table: Table = METADATA.tables[name]
        key: Column[Any] = table.c[KEY[name]]
        wanted: list[Any] = sorted(map(int, found) if key.type.python_type is int else found)
        for start in range(0, len(wanted), _GROUP):
            query = select(table).where(key.in_(wanted[start : start + _GROUP]))
            yield from _rows(connection, table, query.order_by(key))


def events_about(connection: Connection, unit: Transfer | Consignment) -> list[int]:
    """The numbers of the events about a transfer or consignment, and about what carries it, in order; without those that say how
    long it is kept: the digest of a row is the same before it was erased, and the chain up to then proves it.
    """
    kinds = {("transfer", unit.id)} if isinstance(unit, Transfer) else set()
    parcel = unit.id if isinstance(unit, Consignment) else unit.consignment
    if parcel is not None:
        kinds |= {("consignment", parcel), ("receipt", parcel)}
    query = select(EVENTS.c.sequence, EVENTS.c.kind, EVENTS.c.subject).where(
        EVENTS.c.subject.in_(sorted({subject for _, subject in kinds})),
        EVENTS.c.partner == unit.partner,
        EVENTS.c.event.not_in(KEEPING),
    )
    found = [
        number for number, *about in connection.execute(query.order_by(EVENTS.c.sequence)) if tuple(about) in kinds
    ]
    if not found:
        raise ChainBroken(f"the chain has no event about {unit.kind} {unit.id}")
    return found


def events_between(connection: Connection, start: str, end: str) -> tuple[int, int] | None:
    """The numbers of the first and the last event from one time (RFC 3339) up to another; None where there is none."""
    query = select(func.min(EVENTS.c.sequence), func.max(EVENTS.c.sequence))
    first, last = connection.execute(query.where(EVENTS.c.at >= start, EVENTS.c.at < end)).one()
    return None if first is None else (first, last)


def event_after(connection: Connection, sequence: int) -> int | None:
    """The number of the event that follows, None where there is none. Restorations leave numbers out."""
    return connection.execute(select(func.min(EVENTS.c.sequence)).where(EVENTS.c.sequence > sequence)).scalar()


def settled(connection: Connection, rows: Sequence[ProvenRow], first: int, last: int) -> int:
    """The first event from `last` on at which the chain, read from `first` on, says of all these rows what they say."""
    open_rows = {row.place: row.digest for row in rows}
    waiting = set(open_rows)
    query = select(EVENTS.c.sequence, EVENTS.c.detail).where(EVENTS.c.event == COMMITTED, EVENTS.c.sequence >= first)
    if not waiting:
        return last
    for sequence, detail in connection.execute(
        query.order_by(EVENTS.c.sequence), execution_options={"yield_per": _GROUP}
    ):
        if sequence > last and not waiting:
            break
        for place, digest in committed(detail):
            if place in open_rows:
                (waiting.discard if digest == open_rows[place] else waiting.add)(place)
        if sequence >= last and not waiting:
            return int(sequence)
    if waiting:
        table, key = min(waiting)
        raise ChainBroken(f"row {key} of {table} is not what the chain says of it")
    return last


def adopted(connection: Connection, places: Collection[Place]) -> Adopted | None:
    """Those of these rows that the chain adopted: what they said before, no commitment shows. None where it has none of them."""
    query = select(EVENTS.c.sequence, EVENTS.c.at, EVENTS.c.detail).order_by(EVENTS.c.sequence)
    found = connection.execute(query.where(EVENTS.c.event == ADOPTED)).first()
    if found is None:
        return None
    left, old = orjson.loads(found.detail)["count"], set[Place]()
    following = query.where(EVENTS.c.event == COMMITTED, EVENTS.c.sequence > found.sequence)
    for event in connection.execute(following, execution_options={"yield_per": _GROUP}):
        if left <= 0:
            break
        said = {place for place, _ in committed(event.detail)}
        left -= len(said)
        old |= said.intersection(places)
    return Adopted(found.at[:10], frozenset(old)) if old else None


def committed(detail: str) -> Iterator[tuple[Place, str | None]]:
    """The rows that an event commits to, and their digests; None of a row that is gone."""
    for table, keys in orjson.loads(detail).items():
        for key, digest in keys.items():
            yield (table, key), digest


def confirmed(connection: Connection, sequence: int) -> Confirmed | None:
    """The first receipt of any partner that has seen the chain as far as this event; None where none has come yet, or is
    kept no longer.
    """
    query = select(EVENTS).where(EVENTS.c.sequence > sequence, EVENTS.c.event == _ACCEPTED)
    for event in connection.execute(query.order_by(EVENTS.c.sequence), execution_options={"yield_per": _GROUP}):
        seen = orjson.loads(event.detail).get("seen")
        if seen is None or seen[0] < sequence or was_lost(connection, seen[0]):
            continue
        about = select(RECEIPTS).where(
            RECEIPTS.c.consignment == event.subject,
            RECEIPTS.c.partner == event.partner,
            RECEIPTS.c.event == event.sequence,
            RECEIPTS.c.state == str(State.ACCEPTED),
        )
        row = connection.execute(about).first()
        if row is not None:
            found = Receipt._make(row)
            # One whose time is over is not there to be shown, and later ones confirm years of other transfers' events.
            return None if found.salt.startswith(ERASED) else Confirmed(found, Head(*seen))
    return None


def _rows(connection: Connection, table: Table, query: Select[Any]) -> Iterator[ProvenRow]:
    for row in connection.execute(query):
        values = {str(name): value for name, value in row._mapping.items()}  # noqa: SLF001 - SQLAlchemy's public name
        place = (str(table.name), str(values[KEY[table.name]]))
        if "event" in values and not _is_what_its_event_says(connection, values):
            raise ChainBroken(f"row {place[1]} of {place[0]} is {values['state']}, and its last event does not say so")
        yield ProvenRow(place, values, row_digest(table.name, values))


def _is_what_its_event_says(connection: Connection, row: Mapping[str, Any]) -> bool:
    """Whether the event that a row names as its last is about the same partner, and left it in the state in which it is."""
    query = "SELECT event, partner, detail FROM events WHERE sequence = ?"
    event = driver_of(connection).execute(query, (row["event"],)).fetchone()
    return event is not None and event[1] == row["partner"] and state_after(event[0], loaded(event[2])) == row["state"]
