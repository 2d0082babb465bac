"""Enquiries and replies, read back from what validators told about their transfers.

Computed at each asking, as referrals are (ADR 0017), by the index on partner and flow. What a person closed without a
reply is in the chain. Reads only; raises nothing of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from typing import Final, NamedTuple

import orjson
from sqlalchemy import Connection, select

from gateway.domain.enquiries import Answering, Asking, Correspondence, match
from gateway.domain.enquiry import ENQUIRY, FLOWS
from gateway.domain.identity import from_text
from gateway.domain.states import Direction, State
from gateway.ledger.queries.events import events_about
from gateway.ledger.queries.lanes import known_partners
from gateway.ledger.tables import TRANSFERS

CLOSED: Final = "enquiry.closed"
OVERDUE: Final = "enquiry.overdue"

_LOST: Final = frozenset({State.REJECTED, State.QUARANTINED, State.EXPIRED})
"""What came back, or was never right: it asks nothing and answers nothing."""
_CAME: Final = frozenset({State.DELIVERED, State.INGESTED})
_GROUP: Final = 500


class _Carrier(NamedTuple):
    """A transfer that carries an enquiry or a reply."""

    key: int
    id: str
    direction: Direction
    partner: str
    flow: str
    state: State
    created: float
    facts: str


def correspondence(connection: Connection, partners: Collection[str]) -> Correspondence:
    """Every enquiry to and from these partners and every reply, those under way included."""
    rows = sorted(_transfers(connection, sorted(partners)), key=lambda row: row.key)
    carried = [_carried(row, orjson.loads(row.facts)) for row in rows if _counts(row)]
    asked = [each.transfer for each in carried if isinstance(each, Asking)]
    said = events_about(connection, [CLOSED], asked)
    return match(carried, {transfer: from_text(at) for (_, transfer), at in said.items()})


def everything(connection: Connection, codes: Collection[str]) -> Correspondence:
    """The same for the partners of these codes and all that there ever were."""
    return correspondence(connection, {*codes, *known_partners(connection)})


def _transfers(connection: Connection, partners: Sequence[str]) -> Iterator[_Carrier]:
    for start in range(0, len(partners), _GROUP):
        query = select(*(TRANSFERS.c[name] for name in _Carrier._fields)).where(
            TRANSFERS.c.partner.in_(partners[start : start + _GROUP]),
            TRANSFERS.c.flow.in_(FLOWS),
            TRANSFERS.c.facts.is_not(None),
        )
        yield from map(_Carrier._make, connection.execute(query))


def _counts(row: _Carrier) -> bool:
    return row.state in _CAME if row.direction == Direction.IN else row.state not in _LOST


def _carried(row: _Carrier, told: Mapping[str, str]) -> Asking | Answering:
    way, reference = row.direction, told.get("reference", "")
    if row.flow != ENQUIRY:
        return Answering(way, row.partner, reference, row.created, row.id, row.state)
    due = told.get("reply_by")
    reply_by = None if due is None else date.fromisoformat(due)
    return Asking(way, row.partner, reference, told.get("kind", ""), reply_by, row.created, row.id, row.state)
