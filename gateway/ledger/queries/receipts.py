"""Receipts: which are due, and what they say. Reads only.

Several receipts about one consignment follow each other, since on the wire they have the same name.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from typing import Any

import orjson
from sqlalchemy import ColumnElement, Connection, FromClause, Select, and_, exists, func, or_, select

from gateway.domain.receipt import Level
from gateway.domain.states import Direction, State
from gateway.ledger.tables import RECEIPTS
from gateway.ledger.units import Receipt, Transfer


@cache
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
    query = _first_due()
    if codes := tuple(but):
        query = query.where(RECEIPTS.c.partner.not_in(codes))
    return connection.execute(query).scalar()


@cache
def _first_due() -> Select[Any]:
    here = (RECEIPTS.c.state == str(State.ISSUED), RECEIPTS.c.direction == str(Direction.OUT), ~behind_another())
    return select(func.min(RECEIPTS.c.due)).where(*here)


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


def receipts_of(
    connection: Connection, direction: Direction, partner: str, consignment: str, state: State
) -> list[Receipt]:
    """The receipts about a consignment that are in a state."""
    query = select(RECEIPTS).where(
        RECEIPTS.c.direction == str(direction),
        RECEIPTS.c.partner == partner,
        RECEIPTS.c.consignment == consignment,
        RECEIPTS.c.state == str(state),
    )
    return [Receipt._make(row) for row in connection.execute(query)]


def receipts_about(connection: Connection, partner: str, consignment: str) -> list[Receipt]:
    """Every receipt about a consignment of that id and partner, in either direction and any state."""
    query = select(RECEIPTS).where(RECEIPTS.c.partner == partner, RECEIPTS.c.consignment == consignment)
    return [Receipt._make(row) for row in connection.execute(query.order_by(RECEIPTS.c.key))]


def accepted_receipt(connection: Connection, partner: str, consignment: str) -> str | None:
    """The text of the receipt for a consignment of ours by the partner's gateway, not by its back office."""
    rows = receipts_of(connection, Direction.IN, partner, consignment, State.ACCEPTED)
    return next((row.body for row in rows if row.level == Level.DELIVERED), None)


def receipt_with_answer(connection: Connection, transfer: Transfer) -> str | None:
    """The text of the receipt with the back office's answer about one transfer."""
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


def receipt_to_join(connection: Connection, partner: str, consignment: str, room: int) -> Receipt | None:
    """The receipt with the back office's answers that is not written yet and has less than `room` bytes of them."""
    query = select(RECEIPTS).where(
        RECEIPTS.c.consignment == consignment,
        RECEIPTS.c.direction == str(Direction.OUT),
        RECEIPTS.c.partner == partner,
        RECEIPTS.c.state == str(State.ISSUED),
        RECEIPTS.c.level == str(Level.INGESTED),
        func.length(RECEIPTS.c.answers) < room,  # not one that has its text: that stays as it was sealed
    )
    found = connection.execute(query.order_by(RECEIPTS.c.key.desc()).limit(1)).first()
    return None if found is None else Receipt._make(found)


def answers_of(connection: Connection, key: int) -> str | None:
    """The answers that a receipt's text will be made of, as they are now."""
    return connection.execute(select(RECEIPTS.c.answers).where(RECEIPTS.c.key == key)).scalar()


def told_triage(connection: Connection, since: float) -> Iterator[tuple[str, str]]:
    """The partner and the text of each of its receipts that says something of triage, accepted since then."""
    query = select(RECEIPTS.c.partner, RECEIPTS.c.body).where(
        RECEIPTS.c.direction == str(Direction.IN),
        RECEIPTS.c.state == str(State.ACCEPTED),
        RECEIPTS.c.updated >= since,
        RECEIPTS.c.body.contains('"triage"'),
    )
    for row in connection.execute(query.order_by(RECEIPTS.c.key)):
        yield row.partner, row.body
