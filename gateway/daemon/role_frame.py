"""What every role's process has around its work: its log, its lock, its wake-up, its pulse, and the signals that end it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from gateway.daemon.lock import held
from gateway.daemon.pulse import Pulse
from gateway.daemon.signals import noted
from gateway.daemon.wake_ups import WakeUp
from gateway.daemon.walls import die_with
from gateway.daemon.watchdog import own_watchdog
from gateway.errors import Defer, GatewayError
from gateway.logs import Logger, configure
from gateway.settings.model import Settings

_DEFECT: Final = 70


def process_log(settings: Settings, role: str) -> Logger:
    """What a process of the daemon logs to: stderr, as the settings have it."""
    logs = settings.logs
    return configure(
        settings.site.code,
        role,
        node=settings.node.name,
        stream=sys.stderr.buffer,
        format=logs.format,
        level=logs.level,
    )


@contextmanager
def logged(settings: Settings, role: str, *, supervised_by: int | None = None) -> Iterator[Logger]:
    """The role's log; how the role ends is a line of it. A supervisor's end is the role's."""
    if supervised_by is not None:
        die_with(supervised_by)
    log = process_log(settings, role)
    try:
        yield log
    except GatewayError as error:
        log.exception("role.halted", code=error.code, reason=error.reason, remedy=error.remedy)
        raise
    log.info("role.stopped", pid=os.getpid())


@contextmanager
def alone(settings: Settings, role: str, log: Logger, *, supervised: bool) -> Iterator[None]:
    """Hold the role's lock, or raise SiteBusy. A defect of ours is logged as a line like all others, and ends the process."""
    # A role whose supervisor was killed takes a moment to end, and its successor waits for it.
    wait_seconds = settings.daemon.stop_seconds + 5.0 if supervised else 0.5
    try:
        with held(settings.home.run, role, wait_seconds):
            yield
    except GatewayError:
        raise
    except Exception as error:
        log.exception("role.died", reason="a defect of the gateway")
        raise SystemExit(_DEFECT) from error


class Deferral:
    """Work that looks again and again, and may have to wait: each kind of trouble is told once, and once that the work goes on."""

    def __init__(self, log: Logger) -> None:
        self._log = log
        self._code = ""

    @property
    def waits(self) -> bool:
        """Whether the last look was put off."""
        return bool(self._code)

    @property
    def code(self) -> str:
        """Of the trouble that put it off; "" where none did."""
        return self._code

    @contextmanager
    def told(self) -> Iterator[None]:
        """Around one look. A Defer (a full disk, a busy ledger) ends it: the next look does what this one could not."""
        try:
            yield
        except Defer as error:
            if error.code != self._code:
                self._log.warning("work.deferred", code=error.code, reason=error.reason, remedy=error.remedy)
            self._code = error.code
        else:
            if self._code:
                self._log.info("work.resumed")
            self._code = ""


class Life:
    """The wake-up, the pulse and the signals of a role that holds its lock, until `stack` is unwound."""

    def __init__(self, stack: ExitStack, run: Path, role: str) -> None:
        self.wake_up = stack.enter_context(WakeUp(run, role))
        self.pulse = stack.enter_context(Pulse(run, role, own_watchdog()))
        self._signals = stack.enter_context(noted((signal.SIGTERM, signal.SIGINT), self.wake_up))

    def is_stopping(self) -> bool:
        """Whether the role is to end."""
        self.pulse.beat()  # whoever asks goes on
        return bool(self._signals)
