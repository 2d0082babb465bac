"""Requests that take two people: one proposes (`ledger.requests.ask`), and another one agrees or declines; or nobody does in time.

Each step is one conditional UPDATE from *proposed*, so of two people who decide at once one succeeds; and its event. The database itself
refuses a second person who is the first. Raises RightMissing where the second person may not do what was proposed, UsageWrong where the
request is not to be decided any more or not by this person, and NotFound.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from sqlalchemy import Connection, literal_column, select, update

from gateway.domain.decision import Decision
from gateway.domain.ownership import SITE
from gateway.domain.requests import Act, RequestState, require_another
from gateway.errors import UsageWrong
from gateway.ledger.requests import KIND, find, require_right
from gateway.ledger.store import Transaction
from gateway.ledger.tables import REQUESTS
from gateway.ledger.units import Request

# As the index of proposals has it.
_PROPOSED: Final = REQUESTS.c.state == literal_column(f"'{RequestState.PROPOSED}'")
_MOST: Final = 500


def agree(transaction: Transaction, identity: str, decision: Decision, until: float) -> Request:
    """A second person agrees: the role may carry it out from now on. What was proposed by `until` is over its time."""
    _require_second(transaction.connection, identity, decision)
    transaction.lanes.add(SITE)
    return _second(transaction, identity, decision, RequestState.ASKED, "request.agreed", REQUESTS.c.created > until)


def decline(transaction: Transaction, identity: str, decision: Decision) -> Request:
    """A second person says no."""
    _require_second(transaction.connection, identity, decision)
    return _second(transaction, identity, decision, RequestState.DECLINED, "request.declined")


def withdraw(transaction: Transaction, identity: str, decision: Decision) -> Request:
    """Whoever proposed it takes it back; that takes no right."""
    mine = REQUESTS.c.actor == decision.actor
    return _move(transaction, identity, decision, RequestState.WITHDRAWN, "request.withdrawn", mine)


def over(connection: Connection, acts: Collection[Act], until: float) -> list[Request]:
    """Proposals for these acts that were made by then; at most 500."""
    query = select(REQUESTS).where(_PROPOSED, REQUESTS.c.act.in_(map(str, acts)), REQUESTS.c.created <= until)
    return [Request._make(row) for row in connection.execute(query.order_by(REQUESTS.c.key).limit(_MOST))]


def lapse(transaction: Transaction, proposals: Collection[Request]) -> int:
    """End proposals that nobody decided; those that somebody has decided meanwhile are left. How many ended."""
    return sum(
        _written(transaction, each.id, RequestState.LAPSED) and _told(transaction, each, "request.lapsed")
        for each in proposals
    )


def _require_second(connection: Connection, identity: str, decision: Decision) -> None:
    request = find(connection, identity)
    require_right(connection, decision.actor, request.act.right)
    require_another(request.act, request.subject, [decision.actor])


def _second(
    transaction: Transaction, identity: str, decision: Decision, following: RequestState, event: str, *also: Any
) -> Request:
    another = REQUESTS.c.actor != decision.actor
    values = {"decider": decision.actor, "decider_reason": decision.reason, "decided": transaction.now}
    return _move(transaction, identity, decision, following, event, another, *also, **values)


def _move(
    transaction: Transaction,
    identity: str,
    decision: Decision,
    following: RequestState,
    event: str,
    *also: Any,
    **values: Any,
) -> Request:
    if not _written(transaction, identity, following, *also, **values):
        raise UsageWrong(_why_not(find(transaction.connection, identity), decision.actor, following))
    moved = find(transaction.connection, identity)
    _told(transaction, moved, event, decision)
    return moved


def _written(transaction: Transaction, identity: str, following: RequestState, *also: Any, **values: Any) -> bool:
    query = update(REQUESTS).where(REQUESTS.c.id == identity, _PROPOSED, *also)
    changed = query.values(state=str(following), updated=transaction.now, **values)
    return transaction.connection.execute(changed).rowcount == 1


def _told(transaction: Transaction, request: Request, event: str, decision: Decision | None = None) -> bool:
    detail = {} if decision is None else decision.detail
    transaction.record(event, KIND, request.id, act=str(request.act), **detail)
    return True


def _why_not(request: Request, user: str, following: RequestState) -> str:
    if request.state is not RequestState.PROPOSED:
        return f"That request is {request.state}: nobody can decide about it any more."
    if following is RequestState.WITHDRAWN:
        return f"{request.actor} asked: whoever asked withdraws it, somebody else agrees or declines."
    if request.actor == user:
        return "You asked for it yourself: somebody else agrees or declines. You can withdraw it."
    return "The request is over its time: it has to be asked again."
