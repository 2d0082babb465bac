"""What a transaction says of the node that writes it, and what the database compares: a node that stood still writes nothing late.

Every change of an owner draws one number for the whole site. A step says the newest number that it knew when it began; the database asks
that the lane is still the node's and was so by that number (`postgresql.guards`). So a lane that was lost and came back refuses what was
begun before, and a transaction has one number to say, however many lanes there are.

A node's name says nothing of the machine: another may have taken it. So each transaction of a step says the incarnation that the vault of its own machine
was given, and that has to be the node's. Who takes a name does so under the chain's head, as all write: whatever was said before stays true to the end.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, select

from gateway.domain.ownership import AS_SITE, OUTSIDE, SITE
from gateway.errors import LaneLost
from gateway.ledger.engine import Session
from gateway.ledger.tables import LANE_OWNERS, NODES

SESSION: Final = "gateway node "

_SAY: Final = (
    "SELECT set_config('gateway.node', %(node)s, true), set_config('gateway.incarnation', %(incarnation)s, true),"
    " set_config('gateway.newest', %(newest)s, true), set_config('gateway.as', %(acts_as)s, true)"
)


class Fence(NamedTuple):
    """The node, its incarnation and the newest number that the step knew; and what it acts as.

    AS_LANE changes what belongs to the node's lanes; AS_SITE what belongs to any, as long as the node has the lane SITE: a decision moves rows
    alone, and what was under way is dropped where its row has moved. AS_NODE does so as long as the node is there, for what its own
    directories tell. OUTSIDE is a command: one transaction, with nothing begun before it.
    """

    node: str
    incarnation: int = 0
    newest: int = 0
    acts_as: str = OUTSIDE


def outside(node: str) -> Fence | None:
    """What a command at that node says, or a role before its first step; None where the gateway is the only one of its site."""
    return Fence(node) if node else None


def session_of(node: str, lease: float) -> Session:
    """What the connections of a node's roles say: whose they are, so that others can end them (`nodes.end_stuck`); and that a writer
    which stands still loses its transaction after a lease, since all others wait for it.
    """
    return {
        "application_name": f"{SESSION}{node}",
        "idle_in_transaction_session_timeout": f"{int(lease * 1000)}ms",
    }


def say(connection: Connection, fence: Fence) -> None:
    """Tell the database who writes this transaction. LaneLost where the node is of another incarnation, or acts for the site, and the site is
    another node's.
    """
    values: dict[str, Any] = {name: str(value) for name, value in fence._asdict().items()}
    connection.exec_driver_sql(_SAY, values)
    if fence.acts_as != OUTSIDE:
        here = select(NODES.c.name).where(NODES.c.name == fence.node, NODES.c.incarnation == fence.incarnation)
        if connection.execute(here).first() is None:
            raise LaneLost("another machine is this node, or it has counted as gone")
    if fence.acts_as == AS_SITE:
        mine = select(LANE_OWNERS.c.epoch).where(
            LANE_OWNERS.c.partner == SITE, LANE_OWNERS.c.node == fence.node, LANE_OWNERS.c.epoch <= fence.newest
        )
        if connection.execute(mine.with_for_update(read=True)).first() is None:
            raise LaneLost("another node has the site's own work, or this one counts as gone")
