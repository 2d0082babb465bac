"""What became of a commit whose answer did not come: the connection was lost, and the server may have committed all the same.

Whoever wrote believes that nothing is committed when an error is raised, and removes the files of it. So the chain is asked, for as
long as it takes; whoever cannot wait is killed, and a start looks at the rows as after any crash. A number of the server's for the
transaction would not do: a standby that took over never saw it, and has given it to another.
"""

from __future__ import annotations

import time
from typing import Final

from sqlalchemy import select
from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from gateway.errors import GatewayError
from gateway.ledger.chain import Head
from gateway.ledger.postgresql.going_on import require_open
from gateway.ledger.tables import EVENTS

_PAUSE: Final = 0.5


def was_committed(engine: Engine, head: Head) -> bool:
    """Whether the transaction whose last event is `head` was committed.

    The question is a writer's: it has the lock of the chain's head, so the transaction that it is about has ended on that server, and a
    server that does not lead yet cannot answer. The answer counts once this is committed too: a standby that is waited for has all of it
    by then. An old database and one that is closed give none.
    """
    query = select(EVENTS.c.sha256).where(EVENTS.c.sequence == head.sequence)
    while True:
        try:
            with engine.execution_options(gateway_write=True).begin() as connection:
                require_open(connection.info["head"])
                found = connection.execute(query).scalar()
        except (SQLAlchemyError, GatewayError):
            time.sleep(_PAUSE)
        else:
            return bool(found == head.sha256)
