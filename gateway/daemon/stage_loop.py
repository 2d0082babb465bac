"""The stage loop: a role runs its stages in turn until it is stopped.

A Defer that leaves a stage (the disk is full, the ledger busy) makes that stage pause and try again, with growing pauses,
while the others go on: what frees the disk is a stage too. The log has it once, and once that it is over. An error of the operating system that no stage translated
counts as the disk's, since every step may be done again. A Halt ends the role with the error's exit status, and the
supervisor then stops the whole gateway.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from gateway.daemon.pulse import HELD_UP_SECONDS, Pulse
from gateway.daemon.wake_ups import WakeUp, wake
from gateway.errors import Defer, LaneLost
from gateway.stages.context import Stage, StageContext, Step
from gateway.stages.itinerary import WAKES
from gateway.storage.durable import disk_error

MOST_PAUSE: Final = 30.0
"""Seconds that a stage pauses at most after a fault of the machine that it runs on."""

_LOOK_AGAIN: Final = 1.0
"""Seconds until a role looks again whose the lanes are."""


@dataclass
class _Scheduled:
    """A stage, how often it failed in a row and since when, until when it pauses (`monotonic` seconds), of which trouble it was told last, and
    whether it was told that nothing goes on in it.
    """

    stage: Stage
    failures: int = 0
    since: float = 0.0
    until: float = 0.0
    trouble: str = ""
    told: bool = False


class StageLoop:
    """The stages of one role. `monotonic` gives seconds that never go back; `pulse` is told of each step. `anew` says that the
    stages are to be made anew: it is asked before each round.
    """

    def __init__(
        self,
        context: StageContext,
        stages: Sequence[Stage],
        wake_up: WakeUp,
        monotonic: Callable[[], float] = time.monotonic,
        pulse: Pulse | None = None,
        anew: Callable[[], bool] = lambda: False,
    ) -> None:
        self._context = context
        self._scheduled = [_Scheduled(stage) for stage in stages]
        self._wake_up = wake_up
        self._monotonic = monotonic
        self._pulse = pulse
        self._blind = False
        self._anew = anew

    def run(self) -> None:
        """Run the stages until the context says stop, or they are to be made anew."""
        context = self._context
        while not context.stopping() and not self._anew():
            done, wait = self._round()
            if not done and not context.stopping():
                self._wake_up.wait(wait)

    def close(self) -> None:
        for scheduled in self._scheduled:
            if (lanes := self._context.lanes) is not None:
                lanes.may_begin(scheduled.stage.name)  # what it still records, it records as its steps do
            with suppress(LaneLost):
                scheduled.stage.close()

    def _round(self) -> tuple[int, float]:
        """Run each stage once: how many units moved, and the seconds until a stage has something to do."""
        context, done = self._context, 0
        waits = [context.settings.daemon.rescan_seconds]
        if not self._know_lanes():
            return 0, _LOOK_AGAIN
        for scheduled in self._scheduled:
            if context.stopping():
                break
            if context.lanes is not None and not context.lanes.may_begin(scheduled.stage.name):
                continue
            if scheduled.until > self._monotonic():
                waits.append(scheduled.until - self._monotonic())
                continue
            step = self._step(scheduled)
            done += step.done
            if step.done and not step.quiet:
                self._wake_others(scheduled.stage)  # at once, and not after the stages that follow here
            if step.due is not None:
                waits.append(step.due - context.clock())
        return done, max(min(waits), 0.02)

    def _know_lanes(self) -> bool:
        """Whether the role knows which lanes are its node's, where that is a question."""
        if self._context.lanes is None:
            return True
        try:
            self._context.lanes.look()
        except Defer as error:
            if not self._blind:
                self._context.say_deferred(error, remedy=error.remedy)
            self._blind = True
            return False
        self._blind = False
        return True

    def _wake_others(self, stage: Stage) -> None:
        """Wake the roles that a stage's results are for."""
        for other in WAKES[stage.name]:
            wake(self._context.home.run, other)

    def _step(self, scheduled: _Scheduled) -> Step:
        """Run one step of the stage. A fault of the machine makes it pause."""
        started = self._monotonic() if self._pulse is not None else 0.0
        try:
            step = scheduled.stage.step()
        except LaneLost as error:  # the next round knows what is whose
            self._context.log("lane.lost", code=error.code, reason=error.reason, stage=scheduled.stage.name)
            scheduled.until = self._monotonic() + _LOOK_AGAIN
        except Defer as error:
            self._pause(scheduled, error)
        except OSError as error:
            self._pause(scheduled, disk_error(error, f"in the middle of {scheduled.stage.name}"), exc_info=error)
        else:
            if scheduled.failures:
                scheduled.failures, scheduled.trouble, scheduled.told = 0, "", False
                self._context.log("work.resumed", stage=scheduled.stage.name)
            if self._pulse is not None:
                self._pulse.made_step(scheduled.stage.name, step.done, self._monotonic() - started)
            return step
        return Step(due=self._context.clock() + scheduled.until - self._monotonic())

    def _pause(self, scheduled: _Scheduled, error: Defer, **keys: OSError) -> None:
        scheduled.since = scheduled.since if scheduled.failures else self._monotonic()
        scheduled.failures += 1
        if self._pulse is not None:
            self._pulse.failed_step(scheduled.stage.name, error.code)
        scheduled.until = self._monotonic() + min(MOST_PAUSE, 0.5 * 2.0 ** min(scheduled.failures, 10))
        if error.code != scheduled.trouble:  # once, until it is over or another comes
            scheduled.trouble = error.code
            self._context.say_deferred(error, stage=scheduled.stage.name, remedy=error.remedy, **keys)
        seconds = self._monotonic() - scheduled.since
        if seconds >= HELD_UP_SECONDS and not scheduled.told:
            scheduled.told = True
            said = {"code": error.code, "reason": error.reason, "remedy": error.remedy, "seconds": seconds}
            self._context.log("role.held-up", stage=scheduled.stage.name, **said)
