"""Enquiries and replies, read back from what validators told about their transfers.

Computed at each asking, as referrals are (ADR 0017), by the index on partner and flow. What a person closed without a
reply is in the chain. Reads only; raises nothing of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Row, select

from gateway.domain.enquiries import Answering, Asking, Correspondence, match
from gateway.domain.enquiry import ENQUIRY, FLOWS
from gateway.domain.identity import from_text
from gateway.domain.states import Direction, State
from gateway.ledger.queries import referrals
from gateway.ledger.tables import TRANSFERS

CLOSED: Final = "enquiry.closed"
OVERDUE: Final = "enquiry.overdue"

_LOST: Final = frozenset({State.REJECTED, State.QUARANTINED, State.EXPIRED})
"""What came back, or was never right: it asks nothing and answers nothing."""
_CAME: Final = frozenset({State.DELIVERED, State.INGESTED})
_READ: Final = ("key", "id", "direction", "partner", "flow", "state", "created", "facts")
_GROUP: Final = 500


def correspondence(connection: Connection, partners: Collection[str]) -> Correspondence:
    """Every enquiry to and from these partners and every reply, those under way included."""
    rows = sorted(_transfers(connection, sorted(partners)), key=lambda row: row.key)
    carried = [_carried(row, orjson.loads(row.facts)) for row in rows if _counts(row)]
    asked = [each.transfer for each in carried if isinstance(each, Asking)]
    said = referrals.events_about(connection, [CLOSED], asked)
    return match(carried, {transfer: from_text(at) for (_, transfer), at in said.items()})


def everything(connection: Connection, codes: Collection[str]) -> Correspondence:
    """The same for the partners of these codes and all that there ever were."""
    return correspondence(connection, {*codes, *referrals.known_partners(connection)})


def _transfers(connection: Connection, partners: Sequence[str]) -> Iterator[Row[Any]]:
    for start in range(0, len(partners), _GROUP):
        query = select(*(TRANSFERS.c[name] for name in _READ)).where(
            TRANSFERS.c.partner.in_(partners[start : start + _GROUP]),
            TRANSFERS.c.flow.in_(FLOWS),
            TRANSFERS.c.facts.is_not(None),
        )
        yield from connection.execute(query)


def _counts(row: Row[Any]) -> bool:
    return row.state in _CAME if row.direction == Direction.IN else row.state not in _LOST


def _carried(row: Row[Any], told: Mapping[str, str]) -> Asking | Answering:
    way, reference = Direction(row.direction), told.get("reference", "")
    if row.flow != ENQUIRY:
        return Answering(way, row.partner, reference, row.created, row.id, row.state)
    due = told.get("reply_by")
    reply_by = None if due is None else date.fromisoformat(due)
    return Asking(way, row.partner, reference, told.get("kind", ""), reply_by, row.created, row.id, row.state)
