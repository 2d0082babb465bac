"""Requests: a person asks for an act through the ledger, one process carries it out, and the row keeps the answer.

Whoever asks is a person of the console with the right that the act takes, or an owner: a command, which the machine's account
gives. What takes two people is proposed, and waits (`ledger.proposals`). RightMissing where somebody may not, UsageWrong
for a second request of an act of which one waits alone.

A process takes a request before it carries it out: its name becomes the row's owner, for the time of a lease. Where the
lease has ended without an answer, another process may take the request. `take` is one conditional UPDATE, so of two
processes that try at once one succeeds. Whoever writes an answer takes the request in the same transaction, and so each
request gets one answer. Raises ImpossibleMove where an answer is written without that.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Connection, Float, Select, exists, func, literal_column, or_, select, update

from gateway.domain.decision import Decision
from gateway.domain.ownership import SITE
from gateway.domain.people import Right, may
from gateway.domain.requests import ALONE, AT_NODE, Act, RequestState, require_another
from gateway.errors import ImpossibleMove, NotFound, RightMissing, UsageWrong
from gateway.ledger.queries.people import find_person
from gateway.ledger.store import Transaction
from gateway.ledger.tables import NODES, REQUESTS
from gateway.ledger.units import Request

LEASE_SECONDS: Final = 30.0
"""How long a request belongs to the process that took it: an act is a transaction of milliseconds."""
RENEW_SECONDS: Final = LEASE_SECONDS / 3
"""After which whoever works on one for longer takes it again."""

KIND: Final = "request"
"""What events about requests are about; their subject is the request's id."""

_MOST: Final = 500
_NOW: Final = literal_column("extract(epoch FROM clock_timestamp())::double precision", Float)
"""Of the database: only a ledger in PostgreSQL has nodes."""
# The index of waiting requests is used where the state stands in the query as the index has it.
_ASKED: Final = REQUESTS.c.state == literal_column(f"'{RequestState.ASKED}'")
_ANYTHING: Final[Select[Any]] = select(literal_column("1")).select_from(REQUESTS).where(_ASKED).limit(1)
"""Mostly nothing is asked, and putting the real question together takes longer."""


class Done(NamedTuple):
    """The answer of a request that was carried out, by the columns of `units.Request`."""

    kind: str
    unit: str
    partner: str | None
    became: str


class Refused(NamedTuple):
    """The answer of a request that was refused, by the columns of `units.Request`."""

    code: str
    refusal: str
    remedy: str


def ask(
    transaction: Transaction,
    identity: str,
    act: Act,
    subject: str,
    actor: str,
    reason: str,
    owner: str | None = None,
    argument: str | None = None,
) -> Request:
    """A new request, with `identity` as its id; `argument` is what is asked for in particular, where the act takes one. With an owner it
    belongs to the process that asks until the commit, and the machine's account asks. Without one a person does, by user id.
    """
    row = {"id": identity, "act": str(act), "subject": subject, "actor": actor, "reason": reason, "owner": owner}
    state, takes, node = RequestState.ASKED, None, None
    if owner is None:
        node = transaction.node if act in AT_NODE else None
        require_right(transaction.connection, actor, act.right)
        require_another(act, subject, [actor])
        if act in ALONE and waiting(transaction.connection, [act]):
            raise UsageWrong("One that was asked for before is not done yet: it is the same for everybody.")
        takes = act.people
        if takes > 1:
            state = RequestState.PROPOSED
            transaction.record("request.proposed", KIND, identity, act=str(act), **Decision(actor, reason).detail)
    if owner is None and node is None and state is RequestState.ASKED:
        transaction.lanes.add(SITE)
    transaction.insert(REQUESTS, [{**row, "state": str(state), "takes": takes, "argument": argument, "node": node}])
    return find(transaction.connection, identity)


def require_right(connection: Connection, user: str, right: Right) -> None:
    """RightMissing where nobody has that user id, or whoever has it may not do that now."""
    person = find_person(connection, user)
    if person is None:
        raise RightMissing(f"nobody has the user id {user[:40]!r}")
    if not may(person, right):
        raise RightMissing(f"{user} ({person.state}) does not have the right to {right}")


def require_permitted(connection: Connection, request: Request) -> None:
    """RightMissing where one of the people behind a request may not do that now, or where they are fewer than it takes now."""
    act = request.act
    people = {request.actor, *([] if request.decider is None else [request.decider])}
    if request.takes != act.people or len(people) != act.people:
        raise RightMissing(f"it was not asked by as many people as a {act} takes")
    require_another(act, request.subject, people)
    for user in sorted(people):
        require_right(connection, user, act.right)


def find(connection: Connection, identity: str) -> Request:
    """The request of that id; NotFound where there is none."""
    row = connection.execute(select(REQUESTS).where(REQUESTS.c.id == identity)).first()
    if row is None:
        raise NotFound(f"there is no request {identity[:40]!r}")
    return Request._make(row)


def waiting(connection: Connection, acts: Collection[Act] = tuple(Act)) -> list[Request]:
    """Requests for these acts that have no answer yet, those that nobody has taken first; at most 500."""
    return _waiting(connection, acts)


def waiting_at(connection: Connection, acts: Collection[Act], node: str | None) -> list[Request]:
    """Those that were asked at that node; None is a gateway that works alone."""
    return _waiting(connection, acts, _asked_at(node))


def _waiting(connection: Connection, acts: Collection[Act], *also: ColumnElement[bool]) -> list[Request]:
    if connection.execute(_ANYTHING).first() is None:
        return []
    query = select(REQUESTS).where(_ASKED, REQUESTS.c.act.in_(map(str, acts)), *also)
    rows = connection.execute(query.order_by(REQUESTS.c.lease, REQUESTS.c.key).limit(_MOST))
    return [Request._make(row) for row in rows]


def oldest_of_each(connection: Connection, acts: Collection[Act], node: str | None = None) -> list[Request]:
    """Of each person's requests for these acts, asked at that node, that have no answer yet the oldest, the oldest of all first; at most 500.
    However much one person asks for, it hides nothing of another's.
    """
    if connection.execute(_ANYTHING).first() is None:
        return []
    mine = (_ASKED, _asked_at(node), REQUESTS.c.act.in_(map(str, acts)))
    first = select(func.min(REQUESTS.c.key)).where(*mine).group_by(REQUESTS.c.actor)
    rows = connection.execute(select(REQUESTS).where(REQUESTS.c.key.in_(first)).order_by(REQUESTS.c.key).limit(_MOST))
    return [Request._make(row) for row in rows]


def _asked_at(node: str | None) -> ColumnElement[bool]:
    return REQUESTS.c.node.is_not_distinct_from(node)


def stranded(connection: Connection, node: str | None) -> list[Request]:
    """Requests that wait for a node which cannot answer them: one that was not seen for two of its leases, or that is not known; and, at a
    gateway that works alone, of any node. At most 500. Nothing at a `node` that has not been there for a lease itself: after an outage of
    the database all others seem to be gone to the first that comes back.
    """
    if connection.execute(_ANYTHING).first() is None:
        return []
    query = select(REQUESTS).where(_ASKED, REQUESTS.c.act.in_(map(str, AT_NODE))).limit(_MOST)
    if node is None:
        query = query.where(REQUESTS.c.node.is_not(None))
    else:
        known = select(NODES.c.name).where(NODES.c.seen + 2 * NODES.c.lease > _NOW)
        ripe = exists().where(NODES.c.name == node, NODES.c.since + NODES.c.lease <= _NOW)
        query = query.where(or_(REQUESTS.c.node.is_(None), REQUESTS.c.node.not_in(known)), ripe)
    return [Request._make(row) for row in connection.execute(query.order_by(REQUESTS.c.key))]


def is_free(request: Request, owner: str, now: float) -> bool:
    """Whether `owner` may take a request: it has taken it already, or no lease of another runs.

    A lease that ends later than any can was given before the clock was set back.
    """
    return request.owner == owner or not now < request.lease <= now + LEASE_SECONDS


def take(transaction: Transaction, request: Request, owner: str) -> Request | None:
    """The request, owned by `owner` from now on; None where it has an answer, or the lease of another runs."""
    table, now = REQUESTS, transaction.now
    lease = now + LEASE_SECONDS
    free = or_(table.c.owner == owner, table.c.lease <= now, table.c.lease > lease)
    taken = transaction.connection.execute(
        update(table).where(table.c.key == request.key, _ASKED, free).values(owner=owner, lease=lease, updated=now)
    )
    return request._replace(owner=owner, lease=lease, updated=now) if taken.rowcount else None


def finish(transaction: Transaction, request: Request, answer: Done | Refused) -> None:
    """Write the answer of a request that `ask` or `take` gave in this transaction."""
    state = RequestState.DONE if isinstance(answer, Done) else RequestState.REFUSED
    written = transaction.connection.execute(
        update(REQUESTS)
        .where(REQUESTS.c.key == request.key, _ASKED, REQUESTS.c.owner == request.owner)
        .values(state=str(state), lease=0.0, updated=transaction.now, **answer._asdict())
    )
    if written.rowcount != 1:
        raise ImpossibleMove(f"request {request.id} belongs to somebody else, or has an answer")
