"""A role at work: its stages in turn, again and again, until told to stop.

A Defer that leaves a stage (the disk is full, the ledger busy) makes that stage wait and try again, with growing pauses,
while the others go on: what frees the disk is a stage too. An error of the operating system that no stage translated
counts as the disk's, for every step may be done again. A Halt ends the role with the error's exit status, and the
supervisor then stops the whole gateway.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.daemon.wake_ups import WakeUp, wake
from gateway.errors import Defer
from gateway.stages.context import Stage, StageContext, Step
from gateway.stages.itinerary import WAKES
from gateway.storage.durable import disk_error

PATIENCE: Final = 30.0
"""Seconds that a stage waits at most after a fault of the machine it runs on."""


@dataclass
class _Scheduled:
    """A stage at its work: how often it failed in a row, and the moment until which it pauses."""

    stage: Stage
    failures: int = 0
    until: float = 0.0


class StageLoop:
    """The stages of one role. `pulse` counts seconds and never goes back."""

    def __init__(
        self,
        context: StageContext,
        stages: Sequence[Stage],
        wake_up: WakeUp,
        pulse: Callable[[], float] = time.monotonic,
    ) -> None:
        self._context = context
        self._posts = [_Scheduled(stage) for stage in stages]
        self._wake_up = wake_up
        self._pulse = pulse

    def run(self) -> None:
        """Work until the workplace says stop."""
        context = self._context
        while not context.stopping():
            done, wait = self._round()
            if not done and not context.stopping():
                self._wake_up.wait(wait)

    def close(self) -> None:
        for post in self._posts:
            post.stage.close()

    def _round(self) -> tuple[int, float]:
        """Each stage once: the units that moved, and the seconds until one of them has something to do."""
        context, done = self._context, 0
        waits = [context.settings.daemon.rescan_seconds]
        for post in self._posts:
            if context.stopping():
                break
            if post.until > self._pulse():
                waits.append(post.until - self._pulse())
                continue
            step = self._step(post)
            done += step.done
            if step.done:
                self._pass_on(post.stage)  # at once: nobody waits for what our next stages have to do
            if step.due is not None:
                waits.append(step.due - context.clock())
        return done, max(min(waits), 0.02)

    def _pass_on(self, stage: Stage) -> None:
        """Wake the roles whose work a stage's results are; those that run anyway lose nothing by it."""
        for other in WAKES[stage.name]:
            wake(self._context.home.run, other)

    def _step(self, post: _Scheduled) -> Step:
        """One step of the stage; after a fault of the machine nothing, and a pause."""
        try:
            step = post.stage.step()
        except Defer as error:
            self._pause(post, error)
        except OSError as error:
            self._pause(post, disk_error(error, f"in the middle of {post.stage.name}"), exc_info=error)
        else:
            if post.failures:
                post.failures = 0
                self._context.log("work.resumed", stage=post.stage.name)
            return step
        return Step(due=self._context.clock() + post.until - self._pulse())

    def _pause(self, post: _Scheduled, error: Defer, **keys: OSError) -> None:
        post.failures += 1
        post.until = self._pulse() + min(PATIENCE, 0.5 * 2.0 ** min(post.failures, 10))
        self._context.say_deferred(error, stage=post.stage.name, remedy=error.remedy, **keys)
