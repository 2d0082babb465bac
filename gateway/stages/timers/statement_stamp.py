"""Statement stamp: an authority stamps the time of this site's newest statement, where the site has named one (RFC 3161).

Asked in a thread of its own, so that an authority which is slow or away holds up nothing; a failure is told, and tried again an hour
later. The stamp goes into the chain, from which the vault writes it beside the statement. A statement is complete without it.
"""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from typing import Final

from gateway.domain.retry import is_due
from gateway.errors import TimestampFailed
from gateway.ledger.queries import statements
from gateway.ledger.queries.statements import KIND, OWN, STAMPED, Noted
from gateway.stages.context import StageContext, Step

Stamp = Callable[[bytes], bytes]
"""Gives the stamp of these bytes, or raises TimestampFailed."""

_HOUR: Final = 3600.0


class StatementStamp:
    """Stamps one statement at a time; with `stamp` None, none. `wake` is called from the thread when an answer waits."""

    name = "statement-stamp"

    def __init__(self, context: StageContext, stamp: Stamp | None, wake: Callable[[], None]) -> None:
        self._context = context
        self._stamp = stamp
        self._wake = wake
        self._next = 0.0
        self._asked: Noted | None = None
        self._answer: bytes | TimestampFailed | None = None

    def step(self) -> Step:
        if self._stamp is None:
            return Step()
        if self._asked is not None:
            return self._take(self._asked)
        if not is_due(self._next, self._context.clock(), _HOUR):
            return Step(due=self._next)
        with self._context.ledger.read() as connection:
            made = statements.last(connection)
            before = statements.last(connection, STAMPED)
        if made is not None and (before is None or before.day < made.day):
            self._asked = made
            # A daemon: the process may end while the authority still thinks.
            threading.Thread(target=self._ask, args=(self._stamp, made), name="stamp", daemon=True).start()
        return Step()

    def close(self) -> None:
        pass

    def _ask(self, stamp: Stamp, made: Noted) -> None:
        try:
            self._answer = stamp((made.text or "").encode("ascii"))
        except TimestampFailed as error:
            self._answer = error
        self._wake()

    def _take(self, made: Noted) -> Step:
        answer = self._answer
        if answer is None:
            return Step()
        self._asked, self._answer = None, None
        context = self._context
        if isinstance(answer, TimestampFailed):
            context.say_deferred(answer, stage=self.name, remedy=answer.remedy)
            self._next = context.clock() + _HOUR
            return Step(due=self._next)
        with context.ledger.write() as transaction:
            transaction.record(
                STAMPED,
                KIND,
                OWN,
                day=made.day,
                sha256=made.sha256,
                head=[made.head.sequence, made.head.sha256],
                text=[base64.b64encode(answer).decode()],
            )
        return Step(done=1)
