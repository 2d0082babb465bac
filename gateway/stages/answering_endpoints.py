"""Which servers of a partner with several answer, noted in the chain where it changes. Raises what the ledger raises."""

from __future__ import annotations

import queue
from dataclasses import dataclass

from gateway.errors import GatewayError
from gateway.ledger.queries.endpoints import FAILED, KIND, RECOVERED, failing, subject_of
from gateway.ledger.store import Ledger, Transaction
from gateway.logs import safe_text


@dataclass(frozen=True)
class Answering:
    """One of a partner's servers (HOST:PORT) failed, or works, when it was tried."""

    partner: str
    address: str
    error: GatewayError | None


class AnsweringNotes:
    """What the lanes' threads tell, until it is recorded."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._told: queue.SimpleQueue[Answering] = queue.SimpleQueue()
        self._unnoted: list[Answering] = []

    def tell(self, partner: str, address: str, error: GatewayError | None) -> None:
        """From any thread: a server failed, or works."""
        self._told.put(Answering(partner, address, error))

    def note(self) -> None:
        """Record what was told since. Where the ledger fails, that is kept for the next time."""
        self._unnoted += [self._told.get() for _ in range(self._told.qsize())]
        if self._unnoted:
            with self._ledger.write() as transaction:
                for found in self._unnoted:
                    _note(transaction, found)
            self._unnoted.clear()


def _note(transaction: Transaction, found: Answering) -> None:
    """Record what the chain does not say yet. It is asked, since a role that starts knows of no failure before."""
    transaction.flush()
    known = next(failing(transaction.connection, found.partner, [found.address]), None)
    subject, error = subject_of(found.partner, found.address), found.error
    if error is not None and (known is None or known.code != error.code):
        reason = safe_text(error.reason)
        transaction.record(FAILED, KIND, subject, found.partner, address=found.address, code=error.code, reason=reason)
    elif error is None and known is not None:
        transaction.record(RECOVERED, KIND, subject, found.partner, address=found.address)
