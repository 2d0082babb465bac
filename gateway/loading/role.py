"""The load role (`gateway run --role load`, `gateway load`): loads what is delivered as it comes, until it is told to stop.

It gives up what it does not need: every socket but Unix ones where its database is a file, and, where the kernel has Landlock, every
right to write but beside that file, in spool/inbound, spool/outcomes and state/run. A database that does not take documents is waited
for. Raises SiteBusy where the role runs already, and ConfigurationInvalid: its supervisor starts it again, and the gateway goes on
without it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Final

from gateway.daemon.role_frame import Deferral, Life, alone, logged
from gateway.daemon.roles import LOAD
from gateway.daemon.walls import confine
from gateway.errors import ConfigurationInvalid
from gateway.linux.landlock import confine_writes
from gateway.loading.database import ACCEPTED, REJECTED
from gateway.loading.loader import Line, Loader, readers_of
from gateway.logs import Logger
from gateway.settings.model import Settings
from gateway.settings.resources import resource
from gateway.storage.durable import make_directory

_LOOK_EVERY: Final = 1.0
_PAUSE: Final = 5.0
"""Seconds before the next attempt at a database, or a disk, that does not take documents."""
_SPLIT: Final = (
    "The roles have accounts of their own here ([accounts] split), and a back office has none of them: set [load] enabled = false, "
    "and take gateway-load.timer, which loads under another one"
)


def run_load_role(settings: Settings, *, supervised_by: int | None = None) -> None:
    """Run the load role until SIGTERM or SIGINT."""
    with logged(settings, LOAD, supervised_by=supervised_by) as log:
        if settings.accounts.split:
            raise ConfigurationInvalid(_SPLIT)
        with ExitStack() as stack:
            _load(settings, log, stack, supervised=supervised_by is not None)


def _load(settings: Settings, log: Logger, stack: ExitStack, *, supervised: bool) -> None:
    home = settings.home
    stack.enter_context(alone(settings, LOAD, log, supervised=supervised))
    log.info("role.confined", measures=list(confine(settings, LOAD)))
    life = Life(stack, home.run, LOAD)
    loader = Loader(settings, readers_of(settings, resource("schemas")), time.time)
    stack.callback(loader.close)
    written = [home.run, home.inbound, home.outcomes]
    if (file := settings.load.file(home.root)) is not None:
        make_directory(file.parent, 0o700)
        written.append(file.parent)
    confine_writes(written)
    log.info("role.started", pid=os.getpid())
    deferral = Deferral(log)
    while not life.is_stopping():
        with deferral.told():
            _step(loader, log, life.is_stopping)
        if deferral.waits:
            loader.close()  # what is wrong with a connection is not kept
        life.wake_up.wait(_PAUSE if deferral.waits else _LOOK_EVERY)


def _step(loader: Loader, log: Logger, stopping: Callable[[], bool]) -> None:
    """Load what lies there."""
    if loaded := sum(_tell(line, log) for line in loader.load(stopping)):
        log.info("documents.loaded", count=loaded)


def _tell(line: Line, log: Logger) -> bool:
    """Log what was not loaded; whether it was."""
    if line.verdict == ACCEPTED or line.earlier:
        return not line.earlier  # it was told when it was loaded
    code = "load-rejected" if line.verdict == REJECTED else f"load-{line.verdict}"
    log.warning(
        "document.refused", code=code, flow=line.flow, partner=line.partner, transfer=line.transfer, name=line.name
    )
    return False
