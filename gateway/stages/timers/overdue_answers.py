"""Overdue answers: what was delivered and is not answered within the days that were agreed for its flow is an alarm.

Checked every hour. The alarm is an event of the chain for each flow and partner, once a day while it lasts; nothing else
depends on it. `gateway status` and the metrics say the same from the rows.
"""

from __future__ import annotations

from typing import Final

from gateway.domain.calendar import day_of
from gateway.domain.retry import is_due
from gateway.events import Event
from gateway.ledger.queries.backlog import overdue
from gateway.ledger.queries.events import last_details
from gateway.stages.context import StageContext, Step

_EVERY: Final = 3600.0


class OverdueAnswers:
    """Checks what the back office has not answered."""

    name = "overdue-answers"

    def __init__(self, context: StageContext) -> None:
        self._context = context
        self._days = {name: flow.answer_days for name, flow in context.settings.flows.items() if flow.answer_days}
        self._next = 0.0

    def step(self) -> Step:
        if not self._days:
            return Step()
        context = self._context
        now = context.clock()
        if not is_due(self._next, now, _EVERY):
            return Step(due=self._next)
        today = day_of(now).isoformat()
        with context.ledger.read() as connection:
            late = {f"{each.partner}/{each.flow}": each for each in overdue(connection, self._days, now)}
            said = last_details(connection, [Event.BACKLOG_OVERDUE], list(late))
        fresh = {about: each for about, each in late.items() if about not in said or said[about][1]["day"] != today}
        if fresh:
            with context.ledger.write() as transaction:
                for about, each in fresh.items():
                    transaction.record(
                        Event.BACKLOG_OVERDUE, "lane", about, each.partner, flow=each.flow, count=each.number, day=today
                    )
        self._next = now + _EVERY
        return Step(done=len(fresh), due=self._next)

    def close(self) -> None:
        pass
