"""Whether a database is the ledger that this machine knows, and whether anybody may write to it: asked at each connection, and of the head's row
in each transaction.

A standby that was promoted, or a database that was put back, may lack what was committed last. And a ledger may be closed: since it was
moved into another database, or since a node knows it for an old one, which it tells the others by a row. Raises LedgerMoved and
LedgerRolledBack.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from gateway.errors import GatewayError, LedgerMoved, LedgerRolledBack
from gateway.ledger.chain import Head
from gateway.ledger.integrity import raise_closed
from gateway.ledger.postgresql.asking import driver_at

HEAD: Final = "SELECT sequence, sha256, (SELECT why FROM ledger_closed) FROM chain_head"
LOCKED: Final = f"{HEAD} FOR UPDATE OF chain_head"

_CLOSE: Final = "INSERT INTO ledger_closed (why) VALUES (?) ON CONFLICT DO NOTHING"
_CLOSE_AS_NODE: Final = (
    "INSERT INTO ledger_closed (why) SELECT ? FROM nodes WHERE name = ? AND incarnation = ? ON CONFLICT DO NOTHING"
)


class HeadRow(NamedTuple):
    """The row that writers lock: the chain's head, and why nobody may write, None where all may."""

    sequence: int
    sha256: str
    closed: str | None

    @property
    def head(self) -> Head:
        return Head(self.sequence, self.sha256)


def require_open(row: HeadRow, remembered: Head | None = None) -> None:
    """Refuse a ledger that is closed, or ends before the event that this machine remembers."""
    if row.closed is not None:
        raise_closed(row.closed)
    if remembered is None or row.sequence > remembered.sequence or row.head == remembered:
        return
    raise LedgerRolledBack(
        f"this site has written event {remembered.sequence} of its chain before; the ledger ends with event {row.sequence}"
    )


def close(driver: Any, error: LedgerMoved) -> None:
    """Let nobody write any more, in a transaction of a writer's."""
    driver.execute(_CLOSE, (f"{error.code} {error.reason}",))


def close_as(url: str, node: str, incarnation: int, error: GatewayError) -> None:
    """Have the site's other nodes stop as well, where the ledger knows this node and its incarnation: another site's would not."""
    with driver_at(url) as driver:
        driver.execute(_CLOSE_AS_NODE, (f"{error.code} {error.reason}", node, incarnation))


def reopen(driver: Any) -> None:
    """Let all write again: the database has all of the chain now."""
    driver.execute("DELETE FROM ledger_closed")
