"""What became of a commit whose answer did not come: the connection was lost, and the server may have committed all the same.

Whoever wrote believes that nothing is committed when an error is raised, and removes the files of it. So the server is asked,
for as long as it takes until it is there; whoever cannot wait is killed, and a start looks at the rows as after any crash.
"""

from __future__ import annotations

import time
from typing import Final

from sqlalchemy.engine import Engine
from sqlalchemy.exc import SQLAlchemyError

from gateway.errors import LedgerAway
from gateway.ledger.integrity import translate

_PAUSE: Final = 0.5


def was_committed(engine: Engine, transaction: str) -> bool:
    """Whether the transaction of that number was committed. False where the server does not know it, as after a standby took over."""
    while True:
        try:
            with engine.connect() as connection:
                status = connection.exec_driver_sql(f"SELECT pg_xact_status('{int(transaction)}'::xid8)").scalar()
            if status != "in progress":
                return bool(status == "committed")
        except SQLAlchemyError as error:
            if not isinstance(translate(error), LedgerAway):
                return False
        time.sleep(_PAUSE)
