"""The board of known faults: DWP's own, which its chain holds, and the one that an authority has received.

What was ever done to the board is in the chain, about one subject; what came is among the facts of its transfer, so it
stays when the back office has taken the document away. Reads only; raises nothing of its own.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date
from typing import Final

import orjson
from sqlalchemy import Connection, select

from gateway.domain.identity import from_text
from gateway.domain.known_faults import EMPTY, FLOW, Board, Change, FaultState, KnownFault, board, newest, of_facts
from gateway.domain.states import Direction, State
from gateway.ledger.tables import EVENTS, TRANSFERS

KIND: Final = "fault"
SUBJECT: Final = "board"
"""What all events about the board are about: the index of subjects finds them in a chain of any length."""
ADDED: Final = "fault.added"
CHANGED: Final = "fault.changed"
CLOSED: Final = "fault.closed"
PUBLISHER: Final = "DWP"

_CAME: Final = (str(State.DELIVERED), str(State.INGESTED))


def own_board(connection: Connection, now: float) -> Board:
    """The board that this site keeps."""
    query = select(EVENTS.c.at, EVENTS.c.detail).where(
        EVENTS.c.subject == SUBJECT, EVENTS.c.kind == KIND, EVENTS.c.event.in_([ADDED, CHANGED, CLOSED])
    )
    return board((_change(at, detail) for at, detail in connection.execute(query.order_by(EVENTS.c.sequence))), now)


def received_board(connection: Connection) -> Board:
    """The newest board that was delivered here, in whatever order they came; the empty one where none was."""
    return newest(_received(connection)) or EMPTY


def shown_board(connection: Connection, *, own: bool, now: float) -> Board:
    """The board that this site's people look at: the one it keeps, or the one that came."""
    return own_board(connection, now) if own else received_board(connection)


def as_detail(fault: KnownFault) -> list[str]:
    """A fault as an event of the chain holds it: a list, so that it is in no log line."""
    return [fault.id, fault.what, fault.since.isoformat(), fault.workaround, fault.state]


def receipts(connection: Connection, name: str, partners: Collection[str]) -> dict[str, str]:
    """The state of the document of that name at each of these partners that it was sent to; the last one's of several."""
    query = select(TRANSFERS.c.key, TRANSFERS.c.partner, TRANSFERS.c.state).where(
        TRANSFERS.c.partner.in_(sorted(partners)),
        TRANSFERS.c.flow == FLOW,
        TRANSFERS.c.direction.concat("") == str(Direction.OUT),  # as below
        TRANSFERS.c.name == name,
    )
    found = sorted(connection.execute(query), key=lambda row: row.key)
    return {row.partner: row.state for row in found}


def _change(at: str, detail: str) -> Change:
    identity, what, since, workaround, state = orjson.loads(detail)["fault"]
    return Change(from_text(at), KnownFault(identity, what, date.fromisoformat(since), workaround, FaultState(state)))


def _received(connection: Connection) -> Iterator[Board]:
    query = select(TRANSFERS.c.facts).where(
        TRANSFERS.c.partner == PUBLISHER,
        TRANSFERS.c.flow == FLOW,
        # As an expression: the index of direction and partner would read all that ever came from there.
        TRANSFERS.c.direction.concat("") == str(Direction.IN),
        TRANSFERS.c.state.in_(_CAME),
        TRANSFERS.c.facts.is_not(None),
    )
    for told in connection.execute(query).scalars():
        if (found := of_facts(orjson.loads(told))) is not None:
            yield found
