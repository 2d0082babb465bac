"""Disposal that two people of the console have asked for: the next run takes it up in both names, and answers it at its end.

No role may remove and erase all of it, in the split installation not even one account; so the run does it that signs the certificate. A run
that was killed leaves the request, and the next one takes it. Raises what the ledger raises.
"""

from __future__ import annotations

from collections.abc import Collection

from gateway.domain.decision import Decision
from gateway.domain.requests import Act
from gateway.errors import RightMissing
from gateway.ledger import requests
from gateway.ledger.queries.retention import BEGUN, SUBJECT
from gateway.ledger.requests import Done, Refused
from gateway.ledger.units import Request
from gateway.stages.context import StageContext
from gateway.stages.refusals import record_refused


def begin(context: StageContext, *, is_due: bool) -> list[Request]:
    """Take what was asked for, if both people still may, and say so where anything is due; the requests to `finish`."""
    owner, begun = f"retention/{context.new_id()}", []
    with context.ledger.read() as connection:
        waiting = requests.waiting(connection, [Act.DISPOSE])
    for each in waiting:
        with context.ledger.write() as transaction:
            taken = requests.take(transaction, each, owner)
            if taken is None:
                continue
            both = Decision(taken.actor, taken.reason, second=taken.decider)
            try:
                requests.require_permitted(transaction.connection, taken)
            except RightMissing as error:
                record_refused(transaction, context.settings, str(taken.act), taken.subject, both, error.code)
                requests.finish(transaction, taken, Refused(error.code, error.reason, error.remedy))
                continue
            if is_due:
                transaction.record(BEGUN, SUBJECT, SUBJECT, **both.detail)
            begun.append(taken)
    return begun


def finish(context: StageContext, begun: Collection[Request], became: str) -> None:
    """Answer them; one that another run has taken meanwhile is that run's to answer."""
    for each in begun:
        with context.ledger.write() as transaction:
            taken = requests.take(transaction, each, each.owner or "")
            if taken is not None:
                requests.finish(transaction, taken, Done(SUBJECT, SUBJECT, None, became))
