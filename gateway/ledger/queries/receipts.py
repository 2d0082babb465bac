"""The ledger's questions about answers: receipts that are due, the back office's words, who has yet to be told.

Reads only. Several receipts about one consignment follow each other, since on the wire they have the same name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

import orjson
from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Row,
    Table,
    and_,
    exists,
    func,
    or_,
    select,
    type_coerce,
)

from gateway.domain.receipt import Level
from gateway.domain.states import Direction, State
from gateway.ledger.tables import RECEIPTS, TRANSFERS

_LIST: Final = 400
"""Values in one list at most: SQLite bounds them."""


def behind_another() -> ColumnElement[bool]:
    """Whether an issued receipt has to wait: another one about its consignment is to be sealed or sent first."""
    other = RECEIPTS.alias("other")
    return and_(
        RECEIPTS.c.state == str(State.ISSUED),
        exists().where(
            other.c.consignment == RECEIPTS.c.consignment,
            other.c.direction == str(Direction.OUT),
            other.c.partner == RECEIPTS.c.partner,
            or_(
                other.c.state == str(State.SEALED),
                and_(other.c.state == str(State.ISSUED), other.c.key < RECEIPTS.c.key),
            ),
        ),
    )


def not_behind_another(_rows: FromClause) -> tuple[ColumnElement[bool]]:
    """The condition on receipts that one of its consignment does not go before it."""
    return (~behind_another(),)


def next_receipt_to_seal(connection: Connection, but: Iterable[str] = ()) -> float | None:
    """When the first deferred receipt that was issued and has its turn may be tried again; those to `but` wait."""
    here = (RECEIPTS.c.state == str(State.ISSUED), RECEIPTS.c.direction == str(Direction.OUT), ~behind_another())
    query = select(func.min(RECEIPTS.c.due)).where(*here)
    if codes := tuple(but):
        query = query.where(RECEIPTS.c.partner.not_in(codes))
    return connection.execute(query).scalar()


def sealed_sizes(connection: Connection, partner: str, consignment: str, but: int) -> set[int]:
    """The sizes of our other receipts about a consignment that were sealed at any time; `but` is the key left out."""
    query = select(RECEIPTS.c.sealed_size).where(
        RECEIPTS.c.consignment == consignment,
        RECEIPTS.c.direction == str(Direction.OUT),
        RECEIPTS.c.partner == partner,
        RECEIPTS.c.key != but,
        RECEIPTS.c.sealed_size.is_not(None),
    )
    return set(connection.execute(query).scalars())


def receipt_to_join(connection: Connection, partner: str, consignment: str, room: int) -> Row[Any] | None:
    """The receipt with the back office's words that is not written yet and has less than `room` bytes of them."""
    query = select(RECEIPTS).where(
        RECEIPTS.c.consignment == consignment,
        RECEIPTS.c.direction == str(Direction.OUT),
        RECEIPTS.c.partner == partner,
        RECEIPTS.c.state == str(State.ISSUED),
        RECEIPTS.c.level == str(Level.INGESTED),
        RECEIPTS.c.body.startswith("["),  # answers; a text that was written once is an object, and stays
        func.length(RECEIPTS.c.body) < room,
    )
    return connection.execute(query.order_by(RECEIPTS.c.key.desc()).limit(1)).first()


def text_of(connection: Connection, key: int) -> str | None:
    """A receipt's text, or the answers that it will be made of."""
    return connection.execute(select(RECEIPTS.c.body).where(RECEIPTS.c.key == key)).scalar()


def next_deferred(connection: Connection, table: Table, state: State, now: float) -> float | None:
    """When the first outbound unit that waits in a state for a later time is due."""
    query = select(func.min(table.c.due)).where(
        table.c.state == str(state), table.c.direction == str(Direction.OUT), table.c.due > now
    )
    return connection.execute(query).scalar()


# -- the back office's words, where files are delivered


def spoken_of(
    connection: Connection, flow: str, partner: str, names: Sequence[str], ids: Sequence[str]
) -> list[Row[Any]]:
    """The transfers of a flow and partner that were, or are being, delivered under these names, or have these ids."""
    possible = [str(state) for state in (State.OPENED, State.DELIVERED, State.INGESTED)]
    found: dict[int, Row[Any]] = {}
    for column, values in ((TRANSFERS.c.placed, names), (TRANSFERS.c.id, ids)):
        for start in range(0, len(values), _LIST):
            query = select(TRANSFERS).where(
                TRANSFERS.c.direction == str(Direction.IN),
                TRANSFERS.c.partner == partner,
                TRANSFERS.c.flow == flow,
                TRANSFERS.c.state.in_(possible),
                column.in_(values[start : start + _LIST]),
            )
            found |= {row.key: row for row in connection.execute(query)}
    return [found[key] for key in sorted(found)]


def unanswered(connection: Connection, before: float) -> list[Row[Any]]:
    """What was delivered before a moment and not answered by the back office, by flow, partner and age."""
    query = select(TRANSFERS).where(
        TRANSFERS.c.state == str(State.DELIVERED),
        TRANSFERS.c.direction == str(Direction.IN),
        TRANSFERS.c.word.is_(None),
        TRANSFERS.c.updated <= before,
    )
    return list(
        connection.execute(query.order_by(TRANSFERS.c.flow, TRANSFERS.c.partner, TRANSFERS.c.updated, TRANSFERS.c.key))
    )


# -- and where they were sent from


def untold(connection: Connection, limit: int) -> list[Row[Any]]:
    """Submitted transfers that the partner's back office spoke about, and whose operator has not been told."""
    # The sum keeps SQLite from taking the index of what is in custody: nearly everything is not.
    settled = type_coerce(TRANSFERS.c.custody, Integer) + 0 == 0
    query = select(TRANSFERS).where(TRANSFERS.c.untold.is_(True), settled)
    return list(connection.execute(query.order_by(TRANSFERS.c.key).limit(limit)))


def word_about(connection: Connection, transfer: Row[Any]) -> str | None:
    """The text of the receipt with the back office's word about one transfer."""
    query = select(RECEIPTS.c.body).where(
        RECEIPTS.c.consignment == transfer.consignment,
        RECEIPTS.c.direction == str(Direction.IN),
        RECEIPTS.c.partner == transfer.partner,
        RECEIPTS.c.state == str(State.ACCEPTED),
        RECEIPTS.c.level == str(Level.INGESTED),
        RECEIPTS.c.body.contains(transfer.id, autoescape=True),
    )
    for body in connection.execute(query.order_by(RECEIPTS.c.key)).scalars():
        if any(item["transfer"] == transfer.id for item in orjson.loads(body)["items"]):
            return str(body)
    return None
