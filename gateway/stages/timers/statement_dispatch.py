"""Statement dispatch: the newest statement that the vault has signed is submitted, once, to each partner that takes it.

A partner takes statements once its manifests have said so: an older gateway would lock away what it does not know. The files
lie in custody like any other, and their transfers end like any other's.
"""

from __future__ import annotations

from typing import Final

from gateway.domain.retry import is_due
from gateway.domain.statement import FLOW, file_name
from gateway.errors import ContentInvalid, PoisonFile
from gateway.ledger.queries import statements
from gateway.ledger.queries.statements import DISPATCHED, KIND, OWN
from gateway.ledger.store import Transaction
from gateway.stages.composition import Composed, submit
from gateway.stages.context import StageContext, Step
from gateway.stages.statements import yesterday
from gateway.validation.sandbox.pool import Sandbox

_HOUR: Final = 3600.0


class StatementDispatch:
    """Looks whether a statement was made; does nothing where `[audit] statements` is off."""

    name = "statement-dispatch"

    def __init__(self, context: StageContext, readers: Sandbox) -> None:
        self._context = context
        self._readers = readers
        self._next = 0.0
        self._dispatched = ""
        """The day of the newest statement that went out, as far as this process knows."""

    def step(self) -> Step:
        context = self._context
        if not context.settings.audit.statements or self._dispatched == yesterday(context).isoformat():
            return Step()  # there is none of a day that has not ended: the ledger need not be asked
        if not is_due(self._next, context.clock(), _HOUR):
            return Step(due=self._next)
        try:
            return Step(done=self._dispatch())
        except (PoisonFile, ContentInvalid) as error:
            # Whatever ails the readers must not end the role: the statement is evidence already, and can wait.
            context.log("work.deferred", code=error.code, reason=error.reason, stage=self.name)
            self._next = context.clock() + _HOUR
            return Step(due=self._next)

    def close(self) -> None:
        pass

    def _dispatch(self) -> int:
        """To how many partners it goes."""
        context = self._context
        with context.ledger.read() as connection:
            made = statements.last(connection)
            if made is None or made.text is None:
                return 0
            before = statements.last(connection, DISPATCHED)
            if before is not None and before.day >= made.day:
                self._dispatched = before.day
                return 0
            there = context.routes.outgoing.get(FLOW, frozenset()) & context.settings.partners.keys()
            partners = statements.takers(connection, there - context.settings.stopped.keys())
        name, content = file_name(context.site, made.day), made.text.encode("ascii")

        def note(transaction: Transaction) -> None:
            transaction.record(
                DISPATCHED,
                KIND,
                OWN,
                day=made.day,
                sha256=made.sha256,
                head=[made.head.sequence, made.head.sha256],
                count=len(partners),
            )

        submit(context, self._readers, FLOW, [Composed(partner, name, content) for partner in partners], None, note)
        self._dispatched = made.day
        return len(partners)
