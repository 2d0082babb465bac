"""Nodes of a site and the owners of its lanes, in the ledger of a PostgreSQL database, whose clock alone counts.

`renew` is for a transaction beside the chain (`Ledger.beside_chain`): a heartbeat waits for nobody. `register` and `apply` are for one of
the chain; it has an event of each move. Raises what SQLAlchemy raises; `Ledger` translates it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Float,
    Integer,
    and_,
    case,
    cast,
    delete,
    exists,
    func,
    literal_column,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert

from gateway.domain.ownership import SITE, Moves, Node, Owner
from gateway.events import Event
from gateway.ledger.fence import SESSION
from gateway.ledger.integrity import SCHEMA_VERSION
from gateway.ledger.store import Transaction
from gateway.ledger.tables import LANE_OWNERS, NODES, TRANSFERS

KIND: Final = "node"
_KNOWS: Final = ", ledger "
_NOW: Final = literal_column("extract(epoch FROM clock_timestamp())::double precision", Float)
_SECONDS: Final = cast(func.floor(_NOW), Integer)
_END: Final = f"""
SELECT pg_terminate_backend(pid) FROM pg_stat_activity JOIN nodes ON application_name = '{SESSION}' || name
    WHERE datname = current_database() AND usename = current_user
    AND seen + lease <= extract(epoch FROM clock_timestamp()) AND extract(epoch FROM clock_timestamp() - xact_start) > lease
"""  # noqa: S608 - a constant
_GONE: Final = NODES.c.seen + NODES.c.lease <= _NOW


class NodeRow(NamedTuple):
    """A node: which start of it, since when it has been there without a break, when it was seen last, for how long that counts, its
    program's version, since when it is the one that serves the console, None where it is not, and what `settings.likeness` says of its
    configuration.
    """

    name: str
    incarnation: int
    since: float
    seen: float
    lease: float
    version: str
    console: float | None
    likeness: str | None


class LaneRow(NamedTuple):
    """A lane: its node, None where it is free; the numbers of its taking over and of its last change; since when it is so; since when it is
    being left.
    """

    partner: str
    node: str | None
    epoch: int
    changed: int
    since: float
    leaving: float | None


class Site(NamedTuple):
    """What the ledger says of the nodes at one moment of its clock."""

    now: float
    nodes: Mapping[str, NodeRow]
    lanes: Mapping[str, LaneRow]

    def standing(self) -> Mapping[str, Node]:
        return {name: Node(row.seen + row.lease, row.since) for name, row in self.nodes.items()}

    def console(self) -> NodeRow | None:
        """The node that serves the console, whether it is there or gone."""
        return next((row for row in self.nodes.values() if row.console is not None), None)

    def owners(self) -> Mapping[str, Owner]:
        return {name: Owner(row.node, row.leaving) for name, row in self.lanes.items()}


class Version(NamedTuple):
    """What tells whether a node has to read the owners again: the incarnation of its name, None where it is not there; the number of the newest change; and
    when it was seen last.
    """

    incarnation: int | None
    newest: int
    seen: float = 0.0


def program(version: str) -> str:
    """What a node says of its program: its version, and the newest version of the ledger that it knows."""
    return f"{version}{_KNOWS}{SCHEMA_VERSION}"


def schema_of(program: str) -> str:
    """The version of the ledger that a node's program knows; "" of one that did not say it yet."""
    return program.rpartition(_KNOWS)[2] if _KNOWS in program else ""


def register(
    connection: Connection,
    name: str,
    lease: float,
    version: str,
    likeness: str | None = None,
    *,
    before: int | None = None,
) -> int | None:
    """Note that the node starts; its new incarnation. None where another machine is that node, and is there: it is not of the incarnation that this machine
    had `before`, None where it had none.

    For a transaction of the chain: what older incarnations have under way is written then, or is refused (`fence.say`).
    """
    # Of a node that was forgotten: what it began before that is of another incarnation.
    row = {"name": name, "incarnation": _SECONDS, "since": _NOW, "seen": _NOW, "lease": lease, "version": version}
    new = insert(NODES).values(**row, likeness=likeness)
    again = {
        "incarnation": NODES.c.incarnation + 1,
        "since": case((_GONE, _NOW), else_=NODES.c.since),
        "seen": _NOW,
        "lease": lease,
        "version": version,
        "likeness": likeness,
    }
    mine = or_(_GONE, NODES.c.incarnation == before)
    said = new.on_conflict_do_update(index_elements=["name"], set_=again, where=mine).returning(NODES.c.incarnation)
    return connection.execute(said).scalar()


def renew(connection: Connection, name: str, incarnation: int) -> int | None:
    """Note that the node is there; its incarnation, a new one where it had counted as gone. None where another process has started under
    its name.
    """
    values = {
        "incarnation": NODES.c.incarnation + case((_GONE, 1), else_=0),
        "since": case((_GONE, _NOW), else_=NODES.c.since),
        "seen": _NOW,
    }
    mine = and_(NODES.c.name == name, NODES.c.incarnation == incarnation)
    return connection.execute(update(NODES).where(mine).values(values).returning(NODES.c.incarnation)).scalar()


def now(connection: Connection) -> float:
    """The database's clock."""
    return float(connection.execute(select(_NOW)).scalar_one())


def read(connection: Connection) -> Site:
    """All nodes and owners."""
    moment = now(connection)
    nodes = [NodeRow._make(row) for row in connection.execute(select(NODES).order_by(NODES.c.name))]
    lanes = [LaneRow._make(row) for row in connection.execute(select(LANE_OWNERS).order_by(LANE_OWNERS.c.partner))]
    return Site(moment, {row.name: row for row in nodes}, {row.partner: row for row in lanes})


def version(connection: Connection, name: str) -> Version:
    """One question for each round of a role."""
    there = NODES.c.name == name, ~_GONE
    here = select(NODES.c.incarnation).where(*there).scalar_subquery()
    seen = select(NODES.c.seen).where(*there).scalar_subquery()
    newest = select(func.max(LANE_OWNERS.c.changed)).scalar_subquery()
    incarnation, number, last = connection.execute(select(here, newest, seen)).one()
    return Version(incarnation, number or 0, last or 0.0)


def leads_site(connection: Connection, name: str) -> bool:
    """Whether the node has the site's own work."""
    mine = select(LANE_OWNERS.c.epoch).where(LANE_OWNERS.c.partner == SITE, LANE_OWNERS.c.node == name)
    return connection.execute(mine).first() is not None


def end_stuck(connection: Connection) -> None:
    """End transactions of nodes that are gone which have lasted for longer than a lease: one that was stopped in the middle of a statement
    holds the chain's head for ever, and no time limit of the server's takes it away. Others are left: a node that comes back has new ones.
    """
    connection.exec_driver_sql(_END)


def apply(transaction: Transaction, me: str, before: Site, moves: Moves) -> None:
    """Carry out what still holds, with an event for what was taken and one for what was freed. The chain's head is locked, so nobody else
    does this now.
    """
    connection = transaction.connection
    number = _next(connection)
    taken = [lane for lane in moves.take if _take(connection, me, before.lanes.get(lane), lane, number)]
    if taken:
        owners = {owner for lane in taken if (row := before.lanes.get(lane)) and (owner := row.node)}
        name = Event.NODE_LOST if owners else Event.NODE_TAKEN_OVER
        transaction.record(
            name, KIND, me, lanes=[*taken], count=len(taken), epoch=number, gone=[*sorted(owners)], log={"node": me}
        )
    free = _mine(connection, me, moves.free, node=None, leaving=None, changed=number, since=_NOW)
    if free:
        transaction.record(Event.NODE_FREED, KIND, me, lanes=[*free], count=len(free), epoch=number, log={"node": me})
    _mine(connection, me, moves.leave, leaving=_NOW, changed=number)
    _mine(connection, me, moves.keep, leaving=None, changed=number)


def serve_console(connection: Connection, me: str, lease: float, version: str) -> None:
    """Have node `me` serve the console, and no other; it may not have started yet. In a transaction of the chain, which has the event."""
    connection.execute(update(NODES).where(NODES.c.name != me).values(console=None))
    never = {"incarnation": 0, "since": 0.0, "seen": 0.0, "lease": lease, "version": version}
    new = insert(NODES).values(name=me, console=_NOW, **never)
    connection.execute(new.on_conflict_do_update(index_elements=["name"], set_={"console": _NOW}))


def forget(connection: Connection, name: str) -> bool:
    """Take a node that is gone out of the list, and free its lanes, or with the last node all of them; False where it is there. In a transaction of the chain, which has the
    event: nobody takes a lane meanwhile.
    """
    if connection.execute(delete(NODES).where(NODES.c.name == name, _GONE)).rowcount != 1:
        return False
    if connection.execute(select(NODES.c.name).limit(1)).first() is None:
        connection.execute(delete(LANE_OWNERS))  # no node at all: a gateway without a name may work here again
        return True
    number = _next(connection)
    values = {"node": None, "leaving": None, "changed": number, "since": _NOW}
    connection.execute(update(LANE_OWNERS).where(LANE_OWNERS.c.node == name).values(values))
    return True


def left_in_spool(connection: Connection, name: str) -> int:
    """Of how many admitted transfers the dropped file may still lie in that node's spool/outbound: bytes are kept until it is gone."""
    count = select(func.count()).select_from(TRANSFERS).where(*_dropped_at(name))
    return int(connection.execute(count).scalar_one())


def leave_spool(connection: Connection, name: str) -> None:
    """Wait for that node's spool no more: the bytes of those transfers are the site's, and go when they are done with."""
    connection.execute(update(TRANSFERS).where(*_dropped_at(name)).values(spool_file=None))


def _dropped_at(name: str) -> tuple[ColumnElement[bool], ...]:
    return TRANSFERS.c.node == name, TRANSFERS.c.spool_file.is_not(None)


def _next(connection: Connection) -> int:
    """The number of the next change of owners. The first is the moment, in seconds: it is above all that there were before the last node was
    forgotten.
    """
    last = func.coalesce(func.max(LANE_OWNERS.c.changed), _SECONDS)
    return int(connection.execute(select(last)).scalar_one()) + 1


def _take(connection: Connection, me: str, before: LaneRow | None, lane: str, number: int) -> bool:
    row = {"partner": lane, "node": me, "epoch": number, "changed": number, "since": _NOW, "leaving": None}
    if before is None:
        new = insert(LANE_OWNERS).values(row).on_conflict_do_nothing().returning(LANE_OWNERS.c.partner)
        return connection.execute(new).first() is not None
    still_gone = exists().where(NODES.c.name == before.node, _GONE)
    unknown = ~exists().where(NODES.c.name == before.node)
    where = [LANE_OWNERS.c.partner == lane, LANE_OWNERS.c.changed == before.changed]
    if before.node is not None:
        where.append(or_(still_gone, unknown))
    return connection.execute(update(LANE_OWNERS).where(*where).values(row)).rowcount == 1


def _mine(connection: Connection, me: str, lanes: Sequence[str], **values: Any) -> list[str]:
    """Change those of these lanes that are the node's; which they were."""
    if not lanes:
        return []
    where = (LANE_OWNERS.c.partner.in_(lanes), LANE_OWNERS.c.node == me)
    changed = connection.execute(update(LANE_OWNERS).where(*where).values(values).returning(LANE_OWNERS.c.partner))
    return sorted(changed.scalars())
