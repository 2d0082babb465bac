"""The supervisor: keeps the three roles and the managed SFTP server running, reloads, and stops them all within seconds.

It touches no file that a partner or an operator wrote and holds no key. Its fork server starts the roles. It restarts a
role that exits, with backoff, and ends one that makes no steps. A role that halts takes the whole gateway down with that
status, since it must not go on.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Container, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from gateway.assembly.stores import verify_store
from gateway.daemon.fork_server import ForkServer
from gateway.daemon.lock import held
from gateway.daemon.own_name import require_own_name
from gateway.daemon.patience import once_free
from gateway.daemon.pulse import StillPulse
from gateway.daemon.role_frame import process_log
from gateway.daemon.roles import HALTED, roles_of
from gateway.daemon.signals import noted
from gateway.daemon.sshd_supervision import Server
from gateway.daemon.stopped_partners import note_stopped, require_going, say_stopped
from gateway.daemon.wake_ups import WakeUp
from gateway.daemon.watchdog import own_watchdog
from gateway.domain.windows import Timetable
from gateway.errors import ConfigurationInvalid, GatewayError, StoreFileLost, StoreUnreachable
from gateway.ledger.head_file import HeadFile
from gateway.ledger.integrity import check, check_pages
from gateway.ledger.suspended import suspended_partners
from gateway.preflight import load
from gateway.settings.home import Home
from gateway.settings.model import Settings
from gateway.spool.passed_over import PassedOver

NAME: Final = "gateway"
"""The name of the supervisor's lock and wake-up."""

_SPLIT: Final = (
    "The roles have accounts of their own here ([accounts] split): each is started alone, under its account, "
    "by `systemctl start gateway.target` or `gateway run --role ROLE`"
)
_LOOK_EVERY: Final = 0.25
_BACKOFF_CAP: Final = 60.0
_KILL_SECONDS: Final = 0.5
"""How long killed roles may take to end; after that the fork server hangs, or a role waits for a disk: it is left to the kernel."""
_STEADY_SECONDS: Final = 60.0
"""A role that ran for so long is restarted at once."""


@dataclass
class _Child:
    """A role's process, and when it may be started again after it ended."""

    role: str
    pulse: StillPulse
    running: bool = False
    started: float = 0.0
    deaths: int = 0
    due: float = field(default=0.0)


class Supervisor:
    """One site's gateway. `clock` gives seconds that never go back."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings.with_suspended(
            {}
        )  # the roles take over what the ledger says, and nothing is reloaded for it
        self._clock = clock
        self._children = _children(settings)
        self._log = process_log(settings, NAME)
        self._server = Server(settings, self._log)
        self._fork_server = ForkServer(settings.home.root)
        self._alive = own_watchdog()

    def run(self, *, until_idle: bool = False) -> int:
        """Supervise until SIGTERM, a halt, or (where asked for) nothing is due any more; returns the exit status."""
        home, place = self._settings.home, self._settings.ledger_place
        if self._settings.accounts.split:
            raise ConfigurationInvalid(_SPLIT)
        with ExitStack() as stack:
            stack.enter_context(held(home.run, NAME))
            wake_up = stack.enter_context(WakeUp(home.run, NAME))
            signals = stack.enter_context(noted((signal.SIGTERM, signal.SIGINT, signal.SIGHUP), wake_up))
            stack.callback(self._stop)
            with suppress(OSError):  # then the start of each role reports it
                self._fork_server.open()
            # A damaged ledger is reported once, here, and not by three roles.
            patiently = partial(once_free, log=self._log, wait=wake_up.wait, stopping=lambda: bool(signals))
            patiently(lambda: check(place, HeadFile(home.ledger_head)))
            check_pages(place)
            patiently(lambda: require_own_name(self._settings))
            self._look_at_store()
            say_stopped(self._log, self._settings)
            note_stopped(home, self._settings.stopped)
            self._server.start()
            for child in self._children.values():
                self._start(child)
            self._log.info("gateway.started", pid=os.getpid(), path=str(home.root))
            return self._watch(wake_up, signals, until_idle=until_idle)

    def _look_at_store(self) -> None:
        """StoreForeign before partners can bring anything; of one that is away or not prepared, why nothing goes on. A bucket is left to the
        roles: its client has threads, and may wait for half a minute.
        """
        if self._settings.payloads.directory is None:
            return
        try:
            verify_store(self._settings)
        except (StoreUnreachable, StoreFileLost) as error:
            self._log.warning("work.deferred", code=error.code, reason=error.reason, remedy=error.remedy)

    def _watch(self, wake_up: WakeUp, signals: list[int], *, until_idle: bool) -> int:
        idle_looks = 0
        while True:
            wake_up.wait(_LOOK_EVERY)
            self._alive()
            while signals:
                number = signals.pop(0)
                if number != signal.SIGHUP:
                    self._log.info("gateway.stopped", signal=signal.Signals(number).name)
                    return 0
                self._reload()
            status = self._look_after_children()
            if status is not None:
                return status
            self._server.look_after()
            if until_idle:
                idle_looks = idle_looks + 1 if is_idle(self._settings) else 0
                if idle_looks >= 3:
                    self._log.info("gateway.stopped", reason="nothing is due")
                    return 0

    # -- roles

    def _start(self, child: _Child) -> bool:
        """Start the role's process; where the system cannot, that counts as one more death."""
        child.started = self._clock()
        child.pulse.forget()
        try:
            self._fork_server.start(child.role)
        except OSError as error:
            self._died(child, f"{child.role} cannot be started: {error.strerror}")
            return False
        child.running = True
        return True

    def _look_after_children(self) -> int | None:
        self._fork_server.look_after(self._clock())
        for child in self._children.values():
            if not child.running:
                if self._clock() >= child.due and self._start(child):
                    self._log.info("role.restarted", reason=f"{child.role}, after it died", attempt=child.deaths)
                continue
            ended = self._fork_server.ended(child.role)
            if ended is None:
                self._end_stuck(child)
                continue
            if ended.status is None:
                self._died(child, ended.reason)
            elif ended.status > HALTED:
                status = ended.status - HALTED
                self._log.error("role.halted", reason=f"{child.role} must not go on", exit_status=status)
                return status
            else:
                self._died(child, ended.reason, exit_status=ended.status)
        return None

    def _end_stuck(self, child: _Child) -> None:
        """End a role that is there and makes no steps; it is restarted like any that died."""
        seconds = child.pulse.look(self._clock())
        if seconds > self._settings.daemon.still_seconds:
            self._log.error("role.stuck", reason=f"{child.role} made no step for so long: it is ended", seconds=seconds)
            child.pulse.forget()
            self._fork_server.signal(child.role, signal.SIGKILL)

    def _died(self, child: _Child, reason: str, **keys: int) -> None:
        """Have the role restarted: at once the first time, then after growing pauses."""
        child.running = False
        child.deaths = 1 if self._clock() - child.started > _STEADY_SECONDS else child.deaths + 1
        wait = 0.0 if child.deaths == 1 else min(_BACKOFF_CAP, 0.5 * 2.0 ** (min(child.deaths, 10) - 1))
        child.due = self._clock() + wait
        self._log.error("role.died", reason=reason, seconds=wait, **keys)

    def _reload(self) -> None:
        """Take over the configuration: the server at once, the roles by a restart.

        Refused where it has a fault or would stop a partner that the gateway works with, unless a key is trusted no more.
        """
        before = self._settings
        try:
            settings = load(before.home).with_suspended({})
            self._server.check(settings)
            require_going(before, settings)
            note_stopped(before.home, settings.stopped)
        except GatewayError as error:
            self._log.error("gateway.reload-refused", code=error.code, reason=error.reason, remedy=error.remedy)
            return
        self._settings = settings
        say_stopped(self._log, settings)
        for code in sorted(before.stopped.keys() & settings.partners.keys()):
            self._log.info("partner.resumed", partner=code)
        self._stop_roles()
        self._children = _children(settings)
        self._server.reload(settings)
        for child in self._children.values():
            self._start(child)
        self._log.info("gateway.reloaded", count=len(settings.partners))

    def _stop_roles(self) -> None:
        running = [child for child in self._children.values() if child.running]
        for child in running:
            self._fork_server.signal(child.role, signal.SIGTERM)
        for child in running:
            child.running = False
        deadline = self._clock() + self._settings.daemon.stop_seconds - 1.0
        left = [child.role for child in running if not self._has_ended(child.role, deadline)]
        for role in left:
            # The next start repeats what it was doing: every step may end anywhere.
            self._fork_server.signal(role, signal.SIGKILL)
        deadline = self._clock() + _KILL_SECONDS
        if not all(self._has_ended(role, deadline) for role in left):
            self._fork_server.kill()

    def _has_ended(self, role: str, deadline: float) -> bool:
        return self._fork_server.ended(role, max(0.0, deadline - self._clock())) is not None

    def _stop(self) -> None:
        self._stop_roles()
        self._fork_server.close()
        self._server.stop()


def _children(settings: Settings) -> dict[str, _Child]:
    return {role: _Child(role, StillPulse(settings.home.run, role)) for role in roles_of(settings)}


def is_idle(settings: Settings) -> bool:
    """Whether no role of the site has anything to do now. What waits for a partner or for a later time does not count."""
    from gateway.ledger.queries.waiting import due_now  # noqa: PLC0415 - as above
    from gateway.ledger.store import Ledger  # noqa: PLC0415 - a supervisor that runs on needs no database's library

    home = settings.home
    settings = settings.with_suspended(suspended_partners(settings.ledger_place))
    if any(True for _ in _files(home, settings.stopped, PassedOver(settings.spool.passed_over))):
        return False
    ledger = Ledger(settings.ledger_place, clock=time.time, role=NAME)
    try:
        with ledger.read() as connection:
            return due_now(connection, time.time(), Timetable.of(settings).closed, settings.stopped) == 0
    finally:
        ledger.close()


def _files(home: Home, stopped: Container[str], passed_over: PassedOver) -> Iterator[str]:
    """What lies in the spool and in the landing and no role has looked at yet, except for stopped partners."""
    for directory in (*home.outbound.glob("*/*"), *home.outcomes.glob("*/*")):
        if directory.is_dir() and directory.name not in stopped and not any(map(passed_over, directory.parts[-2:])):
            yield from (entry.name for entry in os.scandir(directory) if not passed_over(entry.name))
    for directory in home.landing.glob("*/in"):
        if directory.parent.name not in stopped:
            yield from (entry.name for entry in os.scandir(directory) if not passed_over(entry.name))
