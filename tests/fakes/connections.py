"""Holds a ledger to what keeps a pool of connections from a deadlock: no thread takes one while it has another."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import event

from gateway.ledger.store import Ledger


@contextmanager
def one_at_a_time(ledger: Ledger) -> Iterator[None]:
    """AssertionError in any thread that takes a second one."""
    held = threading.local()

    def taken(*_about: Any) -> None:
        assert not getattr(held, "one", False), "this thread has a connection to the ledger already"
        held.one = True

    def given_back(*_about: Any) -> None:
        held.one = False

    listeners = (("checkout", taken), ("checkin", given_back))
    for name, listener in listeners:
        event.listen(ledger._engine, name, listener)
    try:
        yield
    finally:
        for name, listener in listeners:
            event.remove(ledger._engine, name, listener)
