"""Stored files: what the site's store has and no row of the ledger needs any more leaves it (`stages.ended_files`).

Each role looks through the areas that its keys open. Two of them do it where the site's own work is done; *link* does it at each node, for what its own
lanes receive, since what lands is recorded by no other role. Raises what the store, the disk and the ledger raise.
"""

from __future__ import annotations

from typing import Final

from gateway.domain.retry import is_due
from gateway.stages.context import StageContext, Step
from gateway.stages.ended_files import areas_of, forget_ended
from gateway.stages.itinerary import Role

EVERY: Final = 3600.0


class StoredFiles:
    """Looks once an hour, where the site has a store."""

    def __init__(self, context: StageContext, role: Role) -> None:
        self.name = f"{role}-stored-files"
        self._context = context
        self._areas = areas_of(context.home, role)
        self._recording = role is Role.LINK
        self._look = 0.0

    def step(self) -> Step:
        context, now = self._context, self._context.clock()
        if is_due(self._look, now, EVERY):
            if done := forget_ended(context, self._areas, recording=self._recording):
                context.log("store.cleared", count=done)
            self._look = now + EVERY
        return Step(due=self._look)

    def close(self) -> None:
        pass
