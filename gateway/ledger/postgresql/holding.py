"""That a role works with a ledger once, wherever its processes are: a lock of the session in the database, beside the one in HOME.

It says no to a copy of HOME that is started elsewhere with the same database. It is looked at when a role starts, and goes with the
server's own end: no more than that. Raises SiteBusy, for a node NodeRunsElsewhere, and what `errors.translate` gives.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from gateway.errors import NodeRunsElsewhere, SiteBusy
from gateway.ledger.postgresql.asking import asked

_WAIT_SECONDS: Final = 15.0
"""A session of a process that was killed ends a moment after it."""
_PAUSE: Final = 0.2


@contextmanager
def held(url: str, role: str, node: str = "", wait_seconds: float | None = None) -> Iterator[None]:
    """Hold the role's lock while the block runs: the site's, or that of a node."""
    name = f"{role} of {node}" if node else role
    with asked(url) as ask:
        until = time.monotonic() + (_WAIT_SECONDS if wait_seconds is None else wait_seconds)
        while not ask(f"SELECT pg_try_advisory_lock(hashtext('gateway'), hashtext('{name}'))"):
            if time.monotonic() > until and node:
                raise NodeRunsElsewhere(f"node {node} runs already, on another machine or in another HOME")
            if time.monotonic() > until:
                raise SiteBusy(f"another process is {role} of this ledger, here or on another machine")
            time.sleep(_PAUSE)
        yield
