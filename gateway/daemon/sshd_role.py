"""The sshd role (`gateway run --role sshd`): the managed SFTP server as a process and an account of its own.

For sites whose roles have accounts. It alone can read the host key. Partners' files lie in the landing, from where the
link role takes them by its group. It does nothing else and has no other rights.

Raises what `sshd_supervision` raises, SiteBusy where the role runs already, WrongAccount under another account than its own.
"""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from gateway.daemon.lock import held
from gateway.daemon.role_frame import logged
from gateway.daemon.signals import noted
from gateway.daemon.sshd_supervision import Server
from gateway.daemon.stopped_partners import require_going, say_stopped
from gateway.daemon.wake_ups import WakeUp
from gateway.daemon.walls import confine, require_account
from gateway.daemon.watchdog import own_watchdog
from gateway.errors import GatewayError
from gateway.logs import Logger
from gateway.preflight import load
from gateway.settings.model import Settings
from gateway.spool.watching import Watcher

NAME: Final = "sshd"
"""The name of the role, of its account in `[accounts]`, and of its lock and wake-up."""

_LOOK_EVERY: Final = 1.0
_ENTRY: Final = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
"""Opens a file without the right to read it, which its sender may have withheld."""


def run_sshd_role(settings: Settings) -> None:
    """Run the sshd role until SIGTERM; SIGHUP takes over a changed configuration."""
    with logged(settings, NAME) as log:
        require_account(settings, NAME)
        log.info("role.confined", measures=list(confine(settings, NAME)))
        with ExitStack() as stack:
            _serve_landing(settings, log, stack)


def _serve_landing(settings: Settings, log: Logger, stack: ExitStack) -> None:
    home = settings.home
    stack.enter_context(held(home.sshd, NAME))
    wake_up = stack.enter_context(WakeUp(home.sshd, NAME))
    signals = stack.enter_context(noted((signal.SIGTERM, signal.SIGINT, signal.SIGHUP), wake_up))
    say_stopped(log, settings)
    server = Server(settings, log)
    stack.callback(server.stop)
    server.start()

    def without_events(why: str) -> None:
        log.warning("work.deferred", code="no-events", reason=why)

    stack.enter_context(Watcher([home.landing], lambda _path, _moved: wake_up.wake(), without_events))
    log.info("role.started", pid=os.getpid())
    alive = own_watchdog()
    while True:
        alive()
        if settings.accounts.split:
            for path in _closed(settings):
                _open_to_link(path)
        wake_up.wait(_LOOK_EVERY)
        while signals:
            if signals.pop(0) != signal.SIGHUP:
                return
            try:
                changed = load(home)
                server.check(changed)
                require_going(settings, changed)
            except GatewayError as error:
                log.exception("gateway.reload-refused", code=error.code, reason=error.reason, remedy=error.remedy)
                continue
            settings = changed
            say_stopped(log, settings)
            server.reload(settings)
            log.info("gateway.reloaded", count=len(settings.partners))
        server.look_after()


def _closed(settings: Settings) -> Iterator[Path]:
    """Complete files that the group cannot read, since their sender gave them a mode such as 600."""
    for code in settings.partners:
        try:
            entries = list(os.scandir(settings.home.landing_in(code)))
        except OSError:
            continue
        for entry in entries:
            try:
                mode = entry.stat(follow_symlinks=False).st_mode
            except OSError:
                continue  # the link role has taken it
            if stat.S_ISREG(mode) and not mode & stat.S_IRGRP and not entry.name.endswith(".part"):
                yield Path(entry.path)


def _open_to_link(path: Path) -> None:
    try:
        descriptor = os.open(path, _ENTRY)
    except OSError:
        return
    try:
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            Path(f"/proc/self/fd/{descriptor}").chmod(0o640)
    finally:
        os.close(descriptor)
