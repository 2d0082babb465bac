"""Daily statement: soon after midnight (UTC) the vault signs where the chain stood at the end of the day.

A gateway that did not run at midnight makes the statement of yesterday when it starts. Days in between get none: each
statement says which part of the chain it follows on, so none is left out.
"""

from __future__ import annotations

from typing import Final

from gateway.crypto.contract import OpenPgp
from gateway.domain.retry import is_due
from gateway.errors import CryptoFailed, KeyAgentAway, OwnKeyUnusable
from gateway.stages.context import StageContext, Step
from gateway.stages.statements import end_of, keep_stamp, make, yesterday

_DAY: Final = 86_400.0
_HOUR: Final = 3600.0


class DailyStatement:
    """Makes a statement once a day, where `[audit] statements` asks for it."""

    name = "daily-statement"

    def __init__(self, context: StageContext, engine: OpenPgp) -> None:
        self._context = context
        self._engine = engine
        self._next = 0.0

    def step(self) -> Step:
        context = self._context
        if not context.settings.audit.statements:
            return Step()
        if context.settings.audit.timestamp_url:
            keep_stamp(context)
        if not is_due(self._next, context.clock(), _DAY):
            return Step(due=self._next)
        day = yesterday(context)
        try:
            done = make(context, self._engine, day)
        except (OwnKeyUnusable, KeyAgentAway, CryptoFailed) as error:
            context.say_deferred(error, stage=self.name)
            self._next = context.clock() + _HOUR
            return Step(due=self._next)
        self._next = end_of(day).timestamp() + _DAY
        return Step(done=int(done), due=self._next)

    def close(self) -> None:
        self._engine.close()
