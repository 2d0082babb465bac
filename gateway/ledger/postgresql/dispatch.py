"""Wake-ups to a site's other nodes: jobs of Procrastinate in the ledger's own database, deferred on the ledger's own connection.

One job for each node and commit, and none for what this node works on itself. It has no lock of the engine's, so nothing collides; a
savepoint keeps the ledger's transaction from whatever else may be wrong with the engine's tables. Those lie in a schema of their own,
which no audit, copy or backup of the ledger looks into, since nothing in it has to last.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Final, NamedTuple

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from gateway.errors import GatewayError
from gateway.ledger.dispatch import Count, Ring
from gateway.ledger.postgresql.errors import translate

if TYPE_CHECKING:
    from gateway.ledger.store import Transaction

SCHEMA: Final = "gateway_dispatch"
TASK: Final = "look"

_NO_SCHEMA: Final = "3F000"
"""No node has ever listened here, so there is nobody to wake."""

Tell = Callable[[GatewayError | None], None]
"""Called with what keeps wake-ups from coming or going, and with None when it is over."""

_DEFER: Final = f"""
SELECT {SCHEMA}.procrastinate_defer_jobs_v1(array_agg(
    ROW(node, '{TASK}', 0, NULL, NULL, jsonb_build_object('lanes', lanes), NULL)::{SCHEMA}.procrastinate_job_to_defer_v1
)) FROM (
    SELECT node, jsonb_agg(partner ORDER BY partner) AS lanes FROM lane_owners JOIN nodes ON name = node
    WHERE partner = ANY(%(lanes)s) AND node <> %(me)s AND seen + lease > extract(epoch FROM clock_timestamp()) GROUP BY node
) AS woken HAVING count(*) > 0
"""  # noqa: S608 - constants
"""A node that is gone gets none: whoever takes its lanes over looks at them then, and so does the node when it comes back."""

_MADE: Final = f"SELECT to_regclass('{SCHEMA}.procrastinate_events') IS NOT NULL"
_WAITING: Final = f"""
SELECT queue_name, count(*), extract(epoch FROM clock_timestamp() - min(at))
    FROM {SCHEMA}.procrastinate_jobs JOIN {SCHEMA}.procrastinate_events ON job_id = procrastinate_jobs.id AND type = 'deferred'
    WHERE status = 'todo' GROUP BY queue_name
"""  # noqa: S608 - constants


class Waiting(NamedTuple):
    """How many wake-ups a node has not heard yet, and for how many seconds the oldest of them has waited."""

    number: int
    seconds: float


def waiting(connection: Connection) -> Mapping[str, Waiting]:
    """What waits for which node. Nothing where no node has listened yet, or the engine's tables are not as this program knows them."""
    try:
        with connection.begin_nested():
            if not connection.exec_driver_sql(_MADE).scalar_one():
                return {}
            rows = connection.exec_driver_sql(_WAITING).all()
    except DBAPIError as error:
        if error.connection_invalidated or error.orig is None:
            raise
        return {}  # whoever listens or wakes finds the same, and tells it
    return {node: Waiting(number, float(seconds)) for node, number, seconds in rows}


class Trouble:
    """What keeps wake-ups from coming or going: each kind is told once, until all of it is over."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._codes: dict[str, str] = {}

    def note(self, where: str, error: GatewayError | None) -> None:
        """How it stands with one of both ways."""
        code = "" if error is None else error.code
        if code == self._codes.get(where, ""):
            return
        self._codes[where] = code
        if code or not any(self._codes.values()):
            self._tell(error)


class AcrossNodes:
    """Node `me` of a site, whose ledger is at `url`. `here` gives those of some lanes that this node works on, as far as it knows; without it the
    database is asked each time. `ring` is for what other nodes wake this one for, and, with `rings_here`, for what is committed here. `count` is told what
    is `given` to another node, `lost` since it could not be given, and `heard` from another.
    """

    def __init__(
        self,
        url: str,
        me: str,
        ring: Ring,
        *,
        tell: Tell,
        here: Callable[[], Collection[str]] = frozenset,
        rings_here: bool = False,
        count: Count = lambda _what, _number: None,
    ) -> None:
        self._url = url
        self._me = me
        self._ring = ring
        self._here = here
        self._rings_here = rings_here
        self._count = count
        self._trouble = Trouble(tell)

    def wake(self, transaction: Transaction, lanes: Collection[str]) -> None:
        if self._rings_here:
            transaction.afterwards.append(self._ring)
        away = sorted(set(lanes).difference(self._here()))
        if not away:
            return
        try:
            with transaction.connection.begin_nested():
                given = transaction.connection.exec_driver_sql(_DEFER, {"lanes": away, "me": self._me}).scalar()
        except DBAPIError as error:
            if error.connection_invalidated or error.orig is None:
                raise
            if getattr(error.orig, "sqlstate", None) != _NO_SCHEMA:
                self._count("lost", 1)
                self._trouble.note("going", translate(error.orig))
        else:
            if given:
                self._count("given", len(given))
            self._trouble.note("going", None)

    def listening(self) -> AbstractContextManager[None]:
        from gateway.ledger.postgresql.listening import Listening  # noqa: PLC0415 - the engine, for whoever listens

        return Listening(self._url, self._me, self._ring, self._trouble, self._count)
