"""Business continuity in what sites sign: ours goes into every manifest and receipt, and what a partner's says is noted.

A notice is there while continuity is invoked; where a newer word of the partner's has none, it is over. An older gateway says
nothing and reads nothing of it. Raises what the ledger raises.
"""

from __future__ import annotations

from gateway.domain.manifest import ContinuityNotice
from gateway.ledger.queries.continuity import LIFTED, NOTED, SUBJECT, Moments, invoked, noted, subject_of
from gateway.ledger.store import Connection, Transaction


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
