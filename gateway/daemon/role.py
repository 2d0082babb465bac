"""A role at work: its stages in turn, again and again, until told to stop.

A Defer that leaves a stage (the disk is full, the ledger busy) makes the role wait and try again; a Halt ends it with
the error's exit status, and the supervisor then stops the whole gateway.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from gateway.daemon.bell import Bell, ring
from gateway.errors import Defer, DiskFull, LedgerBusy
from gateway.stages.workplace import Stage, Workplace

PATIENCE: Final = 30.0
"""Seconds that a role waits at most after a fault of the machine it runs on."""


HALTED: Final = 100
"""Added to a Halt's exit status by a supervised role, so that its supervisor can tell a Halt from a mere crash."""


class Role(StrEnum):
    """The three roles: inspect reads what people and partners wrote, vault holds the keys, link talks to the network."""

    INSPECT = "inspect"
    VAULT = "vault"
    LINK = "link"


class Crew:
    """The stages of one role."""

    def __init__(self, role: Role, place: Workplace, stages: Sequence[Stage], bell: Bell) -> None:
        self._role = role
        self._place = place
        self._stages = stages
        self._bell = bell

    def run(self) -> None:
        """Work until the workplace says stop."""
        place, failures = self._place, 0
        while not place.stopping():
            try:
                done, due = self._round()
            except Defer as error:
                failures += 1
                self._say_deferred(error)
                self._bell.wait(min(PATIENCE, 0.5 * 2.0**failures))
                continue
            failures = 0
            if done:
                for other in Role:
                    if other is not self._role:
                        ring(place.home.run, other)
            elif not place.stopping():
                rescan = place.settings.daemon.rescan_seconds
                self._bell.wait(rescan if due is None else min(rescan, max(due - place.clock(), 0.02)))

    def close(self) -> None:
        for stage in self._stages:
            stage.close()

    def _round(self) -> tuple[int, float | None]:
        done, dues = 0, []
        for stage in self._stages:
            if self._place.stopping():
                break
            step = stage.step()
            done += step.done
            if step.due is not None:
                dues.append(step.due)
        return done, min(dues, default=None)

    def _say_deferred(self, error: Defer) -> None:
        event = {DiskFull: "disk.full", LedgerBusy: "ledger.busy"}.get(type(error), "work.deferred")
        self._place.log(event, code=error.code, reason=error.reason, remedy=error.remedy)
