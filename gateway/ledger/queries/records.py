"""What is due, and what there is: the ledger's questions. Reads only; rows come out as plain mappings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row, String, Table, and_, cast, exists, func, or_, select

from gateway.domain.receipt import Level
from gateway.domain.states import Direction, State
from gateway.ledger.chain import Entry
from gateway.ledger.store import TABLES
from gateway.ledger.tables import CONSIGNMENTS, EVENTS, LANES, QUARANTINE, RECEIPTS, TRANSFERS

Record = Mapping[str, Any]

_LIST: Final = 500
"""Values in one list of a question: SQLite bounds them."""


def next_due(
    connection: Connection, table: Table, direction: Direction, states: Sequence[State], but: Iterable[str] = ()
) -> float | None:
    """When the first deferred unit in one of these states may be tried again; what belongs to the partners `but` waits."""
    query = select(func.min(table.c.due)).where(
        table.c.state.in_(map(str, states)), table.c.direction == str(direction)
    )
    if codes := tuple(but):
        query = query.where(table.c.partner.not_in(codes))
    return connection.execute(query).scalar()


def due_after(connection: Connection, table: Table, states: Sequence[State], moment: float) -> list[int]:
    """The keys of what waits in one of these states for a time after a moment."""
    query = select(table.c.key).where(
        table.c.state.in_(map(str, states)),
        table.c.direction.in_(map(str, Direction)),  # the index is by state and direction
        table.c.due > moment,
    )
    return list(connection.execute(query).scalars())


def one(connection: Connection, table: Table, direction: Direction, partner: str, identity: str) -> Row[Any] | None:
    """The transfer or consignment of that id."""
    return connection.execute(
        select(table).where(table.c.direction == str(direction), table.c.partner == partner, table.c.id == identity)
    ).first()


def consignment_in(connection: Connection, partner: str, identity: str) -> Row[Any] | None:
    """The consignment of that id that came from a partner."""
    return one(connection, CONSIGNMENTS, Direction.IN, partner, identity)


def digests(connection: Connection, direction: Direction, partner: str, ids: Sequence[str]) -> dict[str, str]:
    """The SHA-256 of those of these transfers from or to a partner, by their ids."""
    found: dict[str, str] = {}
    for start in range(0, len(ids), _LIST):
        query = select(TRANSFERS.c.id, TRANSFERS.c.sha256).where(
            TRANSFERS.c.direction == str(direction),
            TRANSFERS.c.partner == partner,
            TRANSFERS.c.id.in_(ids[start : start + _LIST]),
        )
        found |= {row.id: row.sha256 for row in connection.execute(query)}
    return found


def receipts_of(
    connection: Connection, direction: Direction, partner: str, consignment: str, state: State
) -> list[Row[Any]]:
    """The receipts about a consignment that are in a state."""
    return list(
        connection.execute(
            select(RECEIPTS).where(
                RECEIPTS.c.direction == str(direction),
                RECEIPTS.c.partner == partner,
                RECEIPTS.c.consignment == consignment,
                RECEIPTS.c.state == str(state),
            )
        )
    )


def sequence_taken(connection: Connection, partner: str, sequence: int) -> bool:
    """Whether a consignment from that partner already had this sequence number."""
    query = select(CONSIGNMENTS.c.key).where(
        CONSIGNMENTS.c.direction == str(Direction.IN),
        CONSIGNMENTS.c.partner == partner,
        CONSIGNMENTS.c.sequence == sequence,
    )
    return connection.execute(query).first() is not None


def state_of(connection: Connection, table: Table, key: int) -> str | None:
    """The state that a row is in now."""
    return connection.execute(select(table.c.state).where(table.c.key == key)).scalar()


def past(connection: Connection, table: Table, states: Sequence[State], moment: float, limit: int) -> list[Row[Any]]:
    """Outbound units in these states whose expiry lies before a moment."""
    return list(
        connection.execute(
            select(table)
            .where(
                table.c.state.in_(map(str, states)),
                table.c.direction == str(Direction.OUT),
                table.c.expires <= moment,
            )
            .limit(limit)
        )
    )


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


def carried(connection: Connection, direction: Direction, partner: str, consignment: str) -> list[Row[Any]]:
    """The transfers that a consignment carries, in the manifest's order."""
    return list(
        connection.execute(
            select(TRANSFERS)
            .where(
                TRANSFERS.c.consignment == consignment,
                TRANSFERS.c.direction == str(direction),
                TRANSFERS.c.partner == partner,
            )
            .order_by(TRANSFERS.c.position)
        )
    )


def lanes(connection: Connection) -> dict[str, Record]:
    """Every lane that was used so far, by partner."""
    return {row["partner"]: dict(row) for row in connection.execute(select(LANES)).mappings()}


def unsent(connection: Connection) -> Counter[tuple[str, str | None]]:
    """How many consignments are packed or sealed, and not sent: by partner, and the flow of their most urgent file."""
    # They are few, and counted here: SQLite would group them by reading all consignments there ever were in that order.
    rows = connection.execute(
        select(CONSIGNMENTS.c.partner, CONSIGNMENTS.c.flow).where(
            CONSIGNMENTS.c.direction == str(Direction.OUT), CONSIGNMENTS.c.state.in_([State.PACKED, State.SEALED])
        )
    )
    return Counter((row[0], row[1]) for row in rows)


def finished_but_kept(connection: Connection, limit: int) -> list[Row[Any]]:
    """Outbound transfers that have come to their end, and whose bytes still lie in custody."""
    ends = [State.RECEIPTED, State.INGESTED, State.REJECTED, State.QUARANTINED, State.EXPIRED]
    return list(
        connection.execute(
            select(TRANSFERS)
            .where(
                TRANSFERS.c.custody.is_(True),
                TRANSFERS.c.state.in_(map(str, ends)),
                TRANSFERS.c.direction == str(Direction.OUT),
                TRANSFERS.c.origin.is_(None),
            )
            .order_by(TRANSFERS.c.key)
            .limit(limit)
        )
    )


def accepted_receipt(connection: Connection, partner: str, consignment: str) -> str | None:
    """The text of the receipt for a consignment of ours by the partner's gateway, not by its back office."""
    rows = receipts_of(connection, Direction.IN, partner, consignment, State.ACCEPTED)
    return next((row.body for row in rows if row.level == Level.DELIVERED), None)


def ids_in_custody(connection: Connection) -> set[str]:
    """The outbound transfers whose bytes lie in custody."""
    query = select(TRANSFERS.c.id).where(TRANSFERS.c.custody.is_(True), TRANSFERS.c.direction == str(Direction.OUT))
    return set(connection.execute(query).scalars())


def unreleased(connection: Connection, direction: Direction = Direction.OUT) -> list[Row[Any]]:
    """Admitted transfers whose dropped file may still lie in the spool; inbound, redirected ones whose delivered file may."""
    # Those of the other direction are few, and naming the direction would make SQLite read all of this one.
    query = select(TRANSFERS).where(TRANSFERS.c.origin.is_not(None)).order_by(TRANSFERS.c.key)
    return [row for row in connection.execute(query) if row.direction == direction]


def completed_consignments(connection: Connection, limit: int) -> list[Row[Any]]:
    """Opened consignments of which every transfer has come to an end here."""
    unfinished = exists().where(
        and_(
            TRANSFERS.c.consignment == CONSIGNMENTS.c.id,
            TRANSFERS.c.partner == CONSIGNMENTS.c.partner,
            TRANSFERS.c.direction == str(Direction.IN),
            TRANSFERS.c.state.in_([State.OPENED, State.HELD]),
        )
    )
    return list(
        connection.execute(
            select(CONSIGNMENTS)
            .where(
                CONSIGNMENTS.c.state == str(State.OPENED), CONSIGNMENTS.c.direction == str(Direction.IN), ~unfinished
            )
            .limit(limit)
        )
    )


def events_of(connection: Connection, subjects: Sequence[str]) -> list[Row[Any]]:
    """The events about these subjects, in order."""
    return list(connection.execute(select(EVENTS).where(EVENTS.c.subject.in_(subjects)).order_by(EVENTS.c.sequence)))


def chain(connection: Connection, after: int = 0, until: int | None = None) -> Iterator[Entry]:
    """The chain's entries in order, streamed."""
    query = select(EVENTS).where(EVENTS.c.sequence > after).order_by(EVENTS.c.sequence)
    if until is not None:
        query = query.where(EVENTS.c.sequence <= until)
    for row in connection.execution_options(yield_per=2000).execute(query):
        yield Entry(*row)


def counts(connection: Connection) -> dict[tuple[str, str, str], int]:
    """How many of each kind are in each state: (kind, direction, state) to a number."""
    found: dict[tuple[str, str, str], int] = {}
    for kind, table in TABLES.items():
        query = select(table.c.direction, table.c.state, func.count()).group_by(table.c.direction, table.c.state)
        for direction, state, number in connection.execute(query):
            found[kind, direction, state] = number
    return found


def matching(connection: Connection, table: Table, prefix: str) -> list[Row[Any]]:
    """Rows whose id starts with `prefix`; at most a few, for telling whether it is unique."""
    return list(connection.execute(select(table).where(table.c.id.startswith(prefix, autoescape=True)).limit(5)))


def transfers(
    connection: Connection,
    *,
    direction: str | None = None,
    partner: str | None = None,
    flow: str | None = None,
    state: str | None = None,
    since: float | None = None,
    limit: int | None = None,
) -> list[Row[Any]]:
    """Transfers that match every given word, the newest first."""
    query = select(TRANSFERS).order_by(TRANSFERS.c.key.desc())
    for column, wanted in (("direction", direction), ("partner", partner), ("flow", flow), ("state", state)):
        if wanted is not None:
            query = query.where(TRANSFERS.c[column] == wanted)
    if since is not None:
        query = query.where(TRANSFERS.c.created >= since)
    return list(connection.execute(query if limit is None else query.limit(limit)))


def quarantined(connection: Connection, *, discarded: bool = False) -> list[Row[Any]]:
    """What is locked away, the newest first."""
    query = select(QUARANTINE).order_by(QUARANTINE.c.received.desc())
    return list(connection.execute(query if discarded else query.where(QUARANTINE.c.discarded.is_(None))))


def receipts_about(connection: Connection, partner: str, consignment: str) -> list[Row[Any]]:
    """Every receipt about a consignment of that id and partner, in either direction and any state."""
    query = select(RECEIPTS).where(RECEIPTS.c.partner == partner, RECEIPTS.c.consignment == consignment)
    return list(connection.execute(query.order_by(RECEIPTS.c.key)))


def by_ids(connection: Connection, table: Table, direction: Direction, ids: Sequence[str]) -> list[Row[Any]]:
    """The rows of these ids, in the order in which they came; asked for in groups, since SQLite bounds a list."""
    found: list[Row[Any]] = []
    for start in range(0, len(ids), _LIST):
        query = select(table).where(table.c.direction == str(direction), table.c.id.in_(ids[start : start + _LIST]))
        found += connection.execute(query.order_by(table.c.key))
    return found


def held(connection: Connection, kind: str) -> list[Row[Any]]:
    """What of a kind waits for a person's decision, the oldest first."""
    table = TABLES[kind]
    return list(connection.execute(select(table).where(table.c.state == str(State.HELD)).order_by(table.c.key)))


def oldest_waiting(connection: Connection) -> Row[Any] | None:
    """The submitted transfer that has waited longest for its receipt."""
    waiting = [State.ADMITTED, State.VALIDATED, State.PACKED, State.SEALED, State.SENT, State.HELD]
    query = select(TRANSFERS).where(
        TRANSFERS.c.state.in_(map(str, waiting)), TRANSFERS.c.direction == str(Direction.OUT)
    )
    return connection.execute(query.order_by(TRANSFERS.c.created).limit(1)).first()


def count_transfers(
    connection: Connection,
    *,
    direction: str | None = None,
    partner: str | None = None,
    flow: str | None = None,
    state: str | None = None,
    since: float | None = None,
) -> int:
    """How many transfers match every given word; the words are those of `transfers`."""
    query = select(func.count()).select_from(TRANSFERS)
    for column, wanted in (("direction", direction), ("partner", partner), ("flow", flow), ("state", state)):
        if wanted is not None:
            query = query.where(TRANSFERS.c[column] == wanted)
    if since is not None:
        query = query.where(TRANSFERS.c.created >= since)
    return connection.execute(query).scalar_one()
