"""Overdue enquiries: an enquiry whose last day has passed without a reply is an alarm, once, at both ends.

Checked every hour. The alarm is an event of the chain about the transfer that asked; nothing else depends on it. A later
reply, or `gateway enquiry close`, removes it from `gateway status`.
"""

from __future__ import annotations

from typing import Final

from gateway.domain.calendar import day_of
from gateway.domain.enquiries import sentence
from gateway.domain.enquiry import ENQUIRY
from gateway.domain.retry import is_due
from gateway.ledger.queries import events
from gateway.ledger.queries.enquiries import OVERDUE, everything
from gateway.stages.context import StageContext, Step

_EVERY: Final = 3600.0


class OverdueEnquiries:
    """Checks the enquiries that this site sent and those that it received."""

    name = "overdue-enquiries"

    def __init__(self, context: StageContext) -> None:
        self._context = context
        self._next = 0.0

    def step(self) -> Step:
        context = self._context
        now = context.clock()
        if not is_due(self._next, now, _EVERY):
            return Step(due=self._next)
        today = day_of(now)
        with context.ledger.read() as connection:
            overdue = [each for each in everything(connection, context.settings.codes).enquiries if each.overdue(today)]
            said = events.events_about(connection, [OVERDUE], [each.asking.transfer for each in overdue])
        fresh = [each for each in overdue if (OVERDUE, each.asking.transfer) not in said]
        if fresh:
            with context.ledger.write() as transaction:
                for each in fresh:
                    asking = each.asking
                    transaction.record(
                        OVERDUE,
                        "transfer",
                        asking.transfer,
                        asking.partner,
                        flow=ENQUIRY,
                        due=None if asking.reply_by is None else asking.reply_by.isoformat(),
                        reason=sentence(each),
                    )
        self._next = now + _EVERY
        return Step(done=len(fresh), due=self._next)

    def close(self) -> None:
        pass
