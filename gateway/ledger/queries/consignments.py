"""Consignments: what they carry, what may go into the next one, and which never came. Reads only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Connection, Select, String, bindparam, cast, exists, func, or_, select

from gateway.domain.states import Direction, State
from gateway.ledger.queries.identities import one
from gateway.ledger.tables import CONSIGNMENTS, EVENTS, TRANSFERS
from gateway.ledger.units import Consignment, Transfer


def consignment_in(connection: Connection, partner: str, identity: str) -> Consignment | None:
    """The consignment of that id that came from a partner."""
    return one(connection, Consignment, Direction.IN, partner, identity)


def carried(connection: Connection, direction: Direction, partner: str, consignment: str) -> list[Transfer]:
    """The transfers that a consignment carries, in the manifest's order."""
    query = select(TRANSFERS).where(
        TRANSFERS.c.consignment == consignment,
        TRANSFERS.c.direction == str(direction),
        TRANSFERS.c.partner == partner,
    )
    return [Transfer._make(row) for row in connection.execute(query.order_by(TRANSFERS.c.position))]


def packable(connection: Connection, partner: str, flow: str, now: float, limit: int) -> list[Transfer]:
    """At most `limit` validated transfers of a flow to a partner that may be packed now: what broke off an earlier attempt
    last, then the oldest first.
    """
    query = (
        select(TRANSFERS)
        .where(
            TRANSFERS.c.state == str(State.VALIDATED),
            TRANSFERS.c.direction == str(Direction.OUT),
            TRANSFERS.c.partner == partner,
            TRANSFERS.c.flow == flow,
            TRANSFERS.c.due <= now,
            TRANSFERS.c.expires > now,
        )
        .order_by(TRANSFERS.c.claims, TRANSFERS.c.key)
        .limit(limit)
    )
    return [Transfer._make(row) for row in connection.execute(query)]


def has_gone_as(connection: Connection, partner: str, name: str) -> bool:
    """Whether a file was packed for a partner without a gateway under that name."""
    query = select(TRANSFERS.c.key).where(
        TRANSFERS.c.delivered_name.is_not(None),  # the index has these alone
        TRANSFERS.c.delivered_name == name,
        TRANSFERS.c.partner == partner,
        TRANSFERS.c.direction == str(Direction.OUT),
    )
    return connection.execute(query.limit(1)).first() is not None


def unsent(connection: Connection) -> Counter[tuple[str, str | None]]:
    """How many consignments are packed or sealed, and not sent: by partner, and the flow of their most urgent file."""
    # They are few, and counted here: SQLite would group them by reading all consignments there ever were in that order.
    rows = connection.execute(
        select(CONSIGNMENTS.c.partner, CONSIGNMENTS.c.flow).where(
            CONSIGNMENTS.c.direction == str(Direction.OUT), CONSIGNMENTS.c.state.in_([State.PACKED, State.SEALED])
        )
    )
    return Counter((row[0], row[1]) for row in rows)


def completed(connection: Connection, limit: int, but: Collection[str] = ()) -> list[Consignment]:
    """Opened consignments of which every transfer has come to an end here; none of the partners `but`."""
    query = _completed().where(CONSIGNMENTS.c.partner.not_in(but)) if but else _completed()
    return [Consignment._make(row) for row in connection.execute(query, {"limit": limit})]


@cache  # each step of *deliver* asks
def _completed() -> Select[Any]:
    unfinished = exists().where(
        TRANSFERS.c.consignment == CONSIGNMENTS.c.id,
        TRANSFERS.c.partner == CONSIGNMENTS.c.partner,
        TRANSFERS.c.direction == str(Direction.IN),
        TRANSFERS.c.state.in_([State.OPENED, State.HELD]),
    )
    query = select(CONSIGNMENTS).where(
        CONSIGNMENTS.c.state == str(State.OPENED), CONSIGNMENTS.c.direction == str(Direction.IN), ~unfinished
    )
    return query.limit(bindparam("limit"))


def to_deliver(connection: Connection, but: Collection[str]) -> list[Consignment]:
    """Opened consignments with files that are to be read before they are delivered; none of the partners `but`."""
    waiting = exists().where(
        TRANSFERS.c.consignment == CONSIGNMENTS.c.id,
        TRANSFERS.c.partner == CONSIGNMENTS.c.partner,
        TRANSFERS.c.direction == str(Direction.IN),
        TRANSFERS.c.state == str(State.OPENED),
        TRANSFERS.c.delivered_name.is_(None),
    )
    query = select(CONSIGNMENTS).where(
        CONSIGNMENTS.c.state == str(State.OPENED),
        CONSIGNMENTS.c.direction == str(Direction.IN),
        CONSIGNMENTS.c.partner.not_in(but),
        waiting,
    )
    return [Consignment._make(row) for row in connection.execute(query.order_by(CONSIGNMENTS.c.key))]


def received(connection: Connection, ids: Sequence[str]) -> list[Consignment]:
    """Consignments of partners with these ids, however far they came."""
    query = select(CONSIGNMENTS).where(CONSIGNMENTS.c.direction == str(Direction.IN), CONSIGNMENTS.c.id.in_(ids))
    return [Consignment._make(row) for row in connection.execute(query)]


def is_unfinished(connection: Connection, identity: str) -> bool:
    """Whether a consignment of that id has landed here, or was opened, and has not come to its end."""
    query = select(CONSIGNMENTS.c.key).where(
        CONSIGNMENTS.c.id == identity,
        CONSIGNMENTS.c.direction == str(Direction.IN),
        CONSIGNMENTS.c.state.in_([str(State.LANDED), str(State.OPENED)]),
    )
    return connection.execute(query).first() is not None


def sequence_taken(connection: Connection, partner: str, sequence: int) -> bool:
    """Whether a consignment from that partner already had this sequence number."""
    query = select(CONSIGNMENTS.c.key).where(
        CONSIGNMENTS.c.direction == str(Direction.IN),
        CONSIGNMENTS.c.partner == partner,
        CONSIGNMENTS.c.sequence == sequence,
    )
    return connection.execute(query).first() is not None


def gaps(connection: Connection, before: float, after: int = 0) -> tuple[list[tuple[str, int]], int]:
    """Sequence numbers of partners that never came, though the next one did before a moment; not yet reported ones.

    Only consignments with keys above `after` are looked at. With them comes the key up to which nothing more can be found:
    the next question starts there, and so does not cost more the older the ledger is.
    """
    later, missing = CONSIGNMENTS.alias("later"), CONSIGNMENTS.alias("missing")
    known = exists().where(
        missing.c.direction == later.c.direction,
        missing.c.partner == later.c.partner,
        missing.c.sequence == later.c.sequence - 1,
    )
    reported = exists().where(
        EVENTS.c.subject == later.c.partner + "/" + cast(later.c.sequence - 1, String),
        EVENTS.c.event == "sequence.gap-found",
    )
    # Joined to nothing, the direction keeps SQLite from reading all of it by its index, whatever the key.
    inbound = (later.c.direction + "" == str(Direction.IN), later.c.key > after)
    query = select(later.c.partner, later.c.sequence - 1).where(
        *inbound, later.c.sequence > 1, later.c.updated < before, ~known, ~reported
    )
    # What is not opened yet has no number yet.
    undecided = or_(later.c.updated >= before, later.c.state.in_([str(State.LANDED), str(State.HELD)]))
    first = connection.execute(select(func.min(later.c.key)).where(*inbound, undecided)).scalar()
    last = connection.execute(select(func.max(CONSIGNMENTS.c.key))).scalar()
    decided = after if last is None else max(after, last if first is None else first - 1)
    return [(row[0], row[1]) for row in connection.execute(query)], decided
