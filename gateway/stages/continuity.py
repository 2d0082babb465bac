"""Business continuity in what sites sign: ours goes into every manifest and receipt, and what a partner's says is noted.

A notice is there while continuity is invoked; where a newer word of the partner's has none, it is over. An older gateway says
nothing and reads nothing of it. And what people of the console ask about it, as `stages.request_answers` carries it out. Raises UsageWrong
where that makes no sense now, and what the ledger raises.
"""

from __future__ import annotations

from typing import Final

from gateway.domain.decision import Decision
from gateway.domain.manifest import ContinuityNotice
from gateway.errors import UsageWrong
from gateway.ledger import continuity
from gateway.ledger.queries.continuity import LIFTED, NOTED, SUBJECT, Moments, invoked, noted, subject_of
from gateway.ledger.store import Connection, Transaction
from gateway.stages.context import StageContext
from gateway.stages.decisions import Decided

_INVOKED: Final = Decided(SUBJECT, SUBJECT, "", "invoked")
_PLACE_DIGITS: Final = 4


def own_notice(connection: Connection) -> ContinuityNotice | None:
    """What this site signs now."""
    here = invoked(connection)
    return None if here is None else ContinuityNotice(since=here.since, updated=here.updated)


def note_continuity(transaction: Transaction, partner: str, notice: ContinuityNotice | None) -> None:
    """Record what the partner's newest word says of it, where that is another than before."""
    said = None if notice is None else Moments(notice.since, notice.updated)
    if said == noted(transaction.connection, partner):
        return
    if said is None:
        transaction.record(LIFTED, SUBJECT, subject_of(partner), partner)
    else:
        transaction.record(NOTED, SUBJECT, subject_of(partner), partner, notice=[*said])


def invoke(_context: StageContext, transaction: Transaction, _about: str, decision: Decision) -> Decided:
    """Invoke it."""
    continuity.invoke(transaction, decision)
    return _INVOKED


def update(_context: StageContext, transaction: Transaction, _about: str, decision: Decision) -> Decided:
    """Say how it stands."""
    continuity.update(transaction, decision)
    return _INVOKED


def told(context: StageContext, transaction: Transaction, place: str, decision: Decision) -> Decided:
    """Note that whoever has this place in the list was told."""
    if not place.isdecimal() or len(place) > _PLACE_DIGITS:
        raise UsageWrong(f"{place[:20]!r} is no place in a list.")
    continuity.told(transaction, int(place), len(context.settings.continuity.tell), decision)
    return _INVOKED


def end(_context: StageContext, transaction: Transaction, _about: str, decision: Decision) -> Decided:
    """End it."""
    continuity.end(transaction, decision)
    return Decided(SUBJECT, SUBJECT, "", "ended")
