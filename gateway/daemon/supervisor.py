"""The supervisor: keeps the three roles and the managed SFTP server alive, reloads, and stops them all within seconds.

It touches no file that a partner or an operator wrote and holds no key. A role that dies is started again with backoff;
one that halts takes the whole gateway down with that status, since it must not go on.
"""

from __future__ import annotations

import os
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from typing import Final

from gateway.daemon.bell import Bell
from gateway.daemon.lock import held
from gateway.daemon.role import HALTED, Role
from gateway.errors import Defer, GatewayError
from gateway.ledger.soundness import check, check_pages
from gateway.ledger.witness import Witness
from gateway.logs import Logger, configure
from gateway.settings.home import Home
from gateway.settings.model import Settings
from gateway.settings.read import load
from gateway.spool.names import is_temporary
from gateway.transfer.timetable import Timetable
from gateway.transport.sshd import Account, Chroot, ManagedServer, ServerSpec
from gateway.transport.sshd_config import check_spec, logins

NAME: Final = "gateway"
"""The name of the supervisor's lock and bell."""

_LOOK_EVERY: Final = 0.25
_BACKOFF_CAP: Final = 60.0
_STEADY_SECONDS: Final = 60.0
"""A role that lived so long starts again at once."""


@dataclass
class _Child:
    """A role's process, and when it may be started again after its death."""

    role: Role
    process: subprocess.Popen[bytes] | None = None
    started: float = 0.0
    deaths: int = 0
    due: float = field(default=0.0)


class Supervisor:
    """One site's gateway. `clock` counts seconds and never goes back."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._children = {role: _Child(role) for role in Role}
        self._server: ManagedServer | None = None
        self._log = _logger(settings)
        self._signals: list[int] = []

    def run(self, *, until_idle: bool = False) -> int:
        """Supervise until SIGTERM, a halt, or (where asked for) nothing is due any more; returns the exit status."""
        home = self._settings.home
        with ExitStack() as stack:
            stack.enter_context(held(home.run, NAME))
            bell = stack.enter_context(Bell(home.run, NAME))
            stack.enter_context(_signals(self._signals, bell))
            stack.callback(self._stop)
            # The Halt that says why nothing could work, before three roles say it three times.
            check(home.ledger, Witness(home.ledger_witness))
            check_pages(home.ledger)
            self._start_server()
            for child in self._children.values():
                self._start(child)
            self._log.info("gateway.started", pid=os.getpid(), path=str(home.root))
            return self._watch(bell, until_idle=until_idle)

    def _watch(self, bell: Bell, *, until_idle: bool) -> int:
        idle_looks = 0
        while True:
            bell.wait(_LOOK_EVERY)
            while self._signals:
                number = self._signals.pop(0)
                if number != signal.SIGHUP:
                    self._log.info("gateway.stopped", signal=signal.Signals(number).name)
                    return 0
                self._reload()
            status = self._look_after_children()
            if status is not None:
                return status
            self._look_after_server()
            if until_idle:
                idle_looks = idle_looks + 1 if is_idle(self._settings) else 0
                if idle_looks >= 3:
                    self._log.info("gateway.stopped", reason="nothing is due")
                    return 0

    # -- roles

    def _start(self, child: _Child) -> bool:
        """Start the role's process; where the system has none to give, that counts as one more death."""
        home = self._settings.home
        command = [sys.executable, "-P", "-m", "gateway", "--home", str(home.root), "run", "--role", child.role]
        child.started = self._clock()
        try:
            child.process = subprocess.Popen([*command, "--supervised-by", str(os.getpid())], stdin=subprocess.DEVNULL)
        except OSError as error:
            self._died(child, f"{child.role} cannot be started: {error.strerror}")
            return False
        return True

    def _look_after_children(self) -> int | None:
        for child in self._children.values():
            if child.process is None:
                if self._clock() >= child.due and self._start(child):
                    self._log.info("role.restarted", reason=f"{child.role}, after it died", attempt=child.deaths)
                continue
            status = child.process.poll()
            if status is None:
                continue
            if status > HALTED:
                self._log.error("role.halted", reason=f"{child.role} must not go on", exit_status=status - HALTED)
                return status - HALTED
            self._died(child, f"{child.role} ended", exit_status=status)
        return None

    def _died(self, child: _Child, reason: str, **keys: int) -> None:
        """Let it be started again: at once the first time, since a single kill costs nobody anything; then with pauses."""
        child.process = None
        child.deaths = 1 if self._clock() - child.started > _STEADY_SECONDS else child.deaths + 1
        wait = 0.0 if child.deaths == 1 else min(_BACKOFF_CAP, 0.5 * 2.0 ** (min(child.deaths, 10) - 1))
        child.due = self._clock() + wait
        self._log.error("role.died", reason=reason, seconds=wait, **keys)

    def _reload(self) -> None:
        """Take over the configuration where it has no fault: the server at once, the roles by starting them anew."""
        try:
            settings = load(self._settings.home)
            if settings.sftp_server.managed:
                check_spec(_server_spec(settings), as_root=os.geteuid() == 0)
        except GatewayError as error:
            self._log.error("gateway.reload-refused", code=error.code, reason=error.reason, remedy=error.remedy)
            return
        same_address = (settings.sftp_server, settings.site) == (self._settings.sftp_server, self._settings.site)
        self._settings = settings
        self._stop_roles()
        if not same_address or self._shuts_out(settings):
            self._stop_server()
        if self._server is None:
            self._start_server()
        else:
            self._server.reload(_server_spec(settings))
        for child in self._children.values():
            self._start(child)
        self._log.info("gateway.reloaded", count=len(settings.partners))

    def _stop_roles(self) -> None:
        running = [child for child in self._children.values() if child.process is not None]
        for child in running:
            if child.process is not None:
                child.process.terminate()
        deadline = self._clock() + self._settings.daemon.stop_seconds - 1.0
        for child in running:
            if child.process is None:
                continue
            with suppress(subprocess.TimeoutExpired):
                child.process.wait(max(0.1, deadline - self._clock()))
            if child.process.poll() is None:
                # What it was doing is done again at the next start: every step may end anywhere.
                child.process.kill()
                child.process.wait()
            child.process = None

    # -- the managed server

    def _shuts_out(self, settings: Settings) -> bool:
        """Whether somebody's key counts no more: sshd asks for keys at the login only, and its session may be open."""
        if self._server is None or not settings.sftp_server.managed:
            return False
        return not logins(self._server.spec) <= logins(_server_spec(settings))

    def _start_server(self) -> None:
        if not self._settings.sftp_server.managed:
            return
        server = ManagedServer(_server_spec(self._settings), self._said_by_server)
        server.start()
        self._server = server
        spec = server.spec
        self._log.info("server.started", host=spec.host, port=spec.port, pid=server.pid)

    def _said_by_server(self, line: str) -> None:
        event = "server.logged"
        if "Accepted publickey" in line:
            event = "logon.accepted"
        elif "Failed publickey" in line or "Invalid user" in line or "Connection closed by authenticating" in line:
            event = "logon.refused"
        (self._log.warning if event == "logon.refused" else self._log.info)(event, reason=line)

    def _look_after_server(self) -> None:
        if self._server is not None and not self._server.is_alive():
            self._log.error("server.stopped", reason="it ended by itself; it is started again")
            self._server.stop()
            self._server = None
            try:
                self._start_server()
            except Defer as error:
                self._log.warning("work.deferred", code=error.code, reason=error.reason)

    def _stop_server(self) -> None:
        if self._server is not None:
            self._server.stop()
            self._server = None

    def _stop(self) -> None:
        self._stop_roles()
        self._stop_server()


def is_idle(settings: Settings) -> bool:
    """Whether no role of the site has anything to do now: what waits for a partner or for a later time does not count."""
    from gateway.ledger.store import Ledger  # noqa: PLC0415 - a supervisor that runs on needs no database's library
    from gateway.ledger.waiting import due_now  # noqa: PLC0415 - as above

    home = settings.home
    if any(True for _ in _files(home)):
        return False
    ledger = Ledger(home.ledger, clock=time.time, role=NAME)
    try:
        with ledger.read() as connection:
            return due_now(connection, time.time(), Timetable.of(settings).closed) == 0
    finally:
        ledger.close()


def _files(home: Home) -> Iterator[str]:
    """What lies in the spool and in the landing and has not been looked at yet."""
    for directory in (*home.outbound.glob("*/*"), *home.outcomes.glob("*/*")):
        if directory.is_dir():
            yield from (entry.name for entry in os.scandir(directory) if not is_temporary(entry.name))
    for directory in home.landing.glob("*/in"):
        yield from (entry.name for entry in os.scandir(directory) if not entry.name.endswith(".part"))


def _server_spec(settings: Settings) -> ServerSpec:
    home, server = settings.home, settings.sftp_server
    accounts = tuple(
        Account(
            partner.code,
            partner.ssh_key,
            partner.link == "collect" and partner.endpoint is None,
            partner.os_account,
            partner.old_ssh_key,
            0.0 if partner.old_ssh_key_until is None else partner.old_ssh_key_until.timestamp(),
        )
        for partner in settings.partners.values()
        if partner.ssh_key is not None and partner.link != "none"
    )
    account = pwd.getpwuid(os.getuid()).pw_name
    chroot = Chroot(server.chroot)
    old = None if settings.keys.old_host_key_until is None else home.old_host_key
    return ServerSpec(server.host, server.port, home.host_key, home.ssh, home.landing, account, accounts, chroot, old)


def _logger(settings: Settings) -> Logger:
    logs = settings.logs
    return configure(settings.site.code, NAME, stream=sys.stderr.buffer, format=logs.format, level=logs.level)


@contextmanager
def _signals(seen: list[int], bell: Bell) -> Iterator[None]:
    """Collect SIGTERM, SIGINT and SIGHUP in `seen` while the block runs."""

    def note(number: int, _frame: object) -> None:
        seen.append(number)
        bell.ring()

    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before: Mapping[int, object] = {number: signal.signal(number, note) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal() itself gave back
