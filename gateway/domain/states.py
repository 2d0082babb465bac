"""The itineraries: which state may follow which, for transfers, consignments and receipts, in either direction.

The tables are the law. `advance` decides what an attempt's result means; the ledger guards the same moves once more in
SQL. The drawings in `docs/states.md` are made from these tables. Pure: no clock, no I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.errors import Disposition, GatewayError, ImpossibleMove


class Direction(StrEnum):
    OUT = "out"
    IN = "in"


class State(StrEnum):
    """Past participles: what has been done. `held` remembers in the ledger where release resumes."""

    ADMITTED = "admitted"
    VALIDATED = "validated"
    PACKED = "packed"
    SEALED = "sealed"
    SENT = "sent"
    RECEIPTED = "receipted"
    INGESTED = "ingested"
    LANDED = "landed"
    OPENED = "opened"
    DELIVERED = "delivered"
    ISSUED = "issued"
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    QUARANTINED = "quarantined"
    HELD = "held"
    EXPIRED = "expired"


Itinerary = Mapping[State, frozenset[State]]


def _moves(**table: str) -> Itinerary:
    return {State(state): frozenset(map(State, following.split())) for state, following in table.items()}


TRANSFER_OUT: Final = _moves(
    admitted="validated rejected quarantined held expired",
    validated="packed rejected held expired",
    packed="sealed expired",
    sealed="sent receipted rejected quarantined expired",
    sent="sealed receipted rejected quarantined expired",
    receipted="ingested",
    ingested="",
    rejected="",
    quarantined="",
    held="admitted validated rejected expired",
    expired="receipted rejected quarantined",
)
"""A sealed transfer may be receipted: the process that sent it died before it could say so. An expired one too: the
receipt may be late, and then it is the truth."""

TRANSFER_IN: Final = _moves(
    opened="delivered rejected quarantined held",
    delivered="ingested",
    ingested="",
    rejected="",
    quarantined="",
    held="opened rejected quarantined",
)

CONSIGNMENT_OUT: Final = _moves(
    packed="sealed expired",
    sealed="sent receipted expired",
    sent="sealed receipted expired",
    receipted="",
    expired="receipted",
)
"""From sent back to sealed: the receipt is overdue, and the same bytes are sent again."""

CONSIGNMENT_IN: Final = _moves(
    landed="opened quarantined held",
    opened="delivered",
    delivered="",
    quarantined="",
    held="landed quarantined",
)

RECEIPT_OUT: Final = _moves(issued="sealed", sealed="sent", sent="issued")
"""From sent back to issued: the partner sent the consignment again, so it did not get the receipt. Its text stays."""

RECEIPT_IN: Final = _moves(landed="accepted quarantined held", accepted="", quarantined="", held="landed quarantined")

ITINERARIES: Final[Mapping[tuple[str, Direction], Itinerary]] = {
    ("transfer", Direction.OUT): TRANSFER_OUT,
    ("transfer", Direction.IN): TRANSFER_IN,
    ("consignment", Direction.OUT): CONSIGNMENT_OUT,
    ("consignment", Direction.IN): CONSIGNMENT_IN,
    ("receipt", Direction.OUT): RECEIPT_OUT,
    ("receipt", Direction.IN): RECEIPT_IN,
}

POISON_CLAIMS: Final = 3
"""A unit of work that was claimed so often without any result has ended its reader each time: it is held."""


@dataclass(frozen=True)
class Move:
    """What the ledger writes after an attempt: the next state, and for a held unit the state it resumes in. `retry` says
    that the state stays, and the same stage is due again after a delay.
    """

    state: State
    resume: State | None = None
    retry: bool = False
    code: str | None = None
    reason: str | None = None


def require(itinerary: Itinerary, state: State, following: State) -> State:
    """`following`, where the itinerary allows it after `state`; ImpossibleMove otherwise."""
    if following not in itinerary.get(state, frozenset()):
        raise ImpossibleMove(f"from {state} to {following}")
    return following


def advance(itinerary: Itinerary, state: State, result: State | GatewayError, *, expired: bool = False) -> Move:
    """The move that an attempt's result asks for.

    `result` is the state that the stage reached, or the error that ended it; `expired` says whether the time limit has
    passed, which turns a deferral into the end of the trip. A Halt is raised, not recorded: nothing may move then.
    """
    if isinstance(result, State):
        return Move(require(itinerary, state, result))
    code, reason = result.code, result.reason
    match result.disposition:
        case Disposition.DEFER if expired and State.EXPIRED in itinerary[state]:
            return Move(State.EXPIRED, code=code, reason=reason)
        case Disposition.DEFER:
            return Move(state, retry=True, code=code, reason=reason)
        case Disposition.REJECT:
            return Move(require(itinerary, state, State.REJECTED), code=code, reason=reason)
        case Disposition.QUARANTINE:
            return Move(require(itinerary, state, State.QUARANTINED), code=code, reason=reason)
        case Disposition.HOLD:
            return Move(require(itinerary, state, State.HELD), resume=state, code=code, reason=reason)
        case Disposition.HALT | Disposition.MISUSE:
            raise result
