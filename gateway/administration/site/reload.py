"""Make a running gateway take over its changed configuration.

Raises NotRunning, NotPermitted, StillReloading, ConfigurationInvalid for what the gateway would refuse, and UsageWrong where
each role is a service of its own.
"""

from __future__ import annotations

import os
import signal
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from gateway.administration.requests import actors
from gateway.administration.site.settings import load, share_out
from gateway.daemon.lock import holder
from gateway.daemon.stopped_partners import REMEDY, newly_stopped, noted_stopped
from gateway.domain.decision import Decision
from gateway.errors import ConfigurationInvalid, NotPermitted, NotRunning, StillReloading, UsageWrong
from gateway.logs import Logger
from gateway.preflight import faults_of_partners, server_faults
from gateway.settings.home import Home
from gateway.settings.model import Settings
from gateway.stages.itinerary import Role

_LOOK_EVERY: Final = 0.1
_TO_START: Final = 60.0
"""Seconds that the roles may take to start again, after they have stopped."""


@dataclass(frozen=True)
class Reloaded:
    """The partners that the gateway now works with and without, the faults of the latter, and what to do about them."""

    partners: tuple[str, ...]
    stopped: tuple[str, ...]
    faults: tuple[str, ...]
    remedy: str = REMEDY


class TakenOver(StrEnum):
    """What became of a change of the configuration."""

    AT_ONCE = "at-once"
    AT_START = "at-start"
    ROLES_ALONE = "roles-alone"
    SERVICES = "services"


@dataclass(frozen=True)
class TakeOver:
    """Whether a running gateway has taken a change over; `roles` are those that run by themselves, to be started anew."""

    taken: TakenOver
    roles: tuple[str, ...] = ()


def reload(settings: Settings, log: Logger, decision: Decision) -> Reloaded:
    """Make the running gateway take these settings over; partners that were stopped stay so."""
    take_over(settings)
    actors.done(settings, log, "configuration.reloaded", decision)
    faults = tuple(map(str, faults_of_partners(settings)))
    return Reloaded(tuple(settings.partners), tuple(settings.stopped), faults)


def take_over(settings: Settings, *, regardless: bool = False) -> None:
    """Make the running gateway take over these settings, which are on disk, and wait until all its roles have.

    Raises NotRunning, NotPermitted, StillReloading; ConfigurationInvalid for what the gateway would refuse. `regardless`:
    a key is trusted no more, which it takes over although that stops a partner.
    """
    if settings.accounts.split:
        raise UsageWrong("Each role is a service of its own here: `systemctl restart gateway.target` takes it over.")
    home = settings.home
    supervisor = holder(home.run, "gateway")
    faults = [*map(str, server_faults(settings))]
    if not regardless:
        faults += newly_stopped(settings, frozenset() if supervisor is None else noted_stopped(home))
    if faults:
        raise ConfigurationInvalid("\n".join(faults))
    if supervisor is None:
        raise NotRunning
    before = _processes(home)
    try:
        os.kill(supervisor, signal.SIGHUP)
    except PermissionError as error:
        raise NotPermitted("The gateway runs as another user.") from error
    except ProcessLookupError as error:
        raise NotRunning("The gateway of this site has just ended.") from error
    deadline = time.monotonic() + settings.daemon.stop_seconds + _TO_START
    while any(process in (None, before[role]) for role, process in _processes(home).items()):
        if holder(home.run, "gateway") is None:
            raise NotRunning("The gateway of this site ended while it reloaded; its log says why.")
        if time.monotonic() > deadline:
            raise StillReloading
        time.sleep(_LOOK_EVERY)


def take_over_where_running(home: Home, *, regardless: bool = False) -> TakeOver:
    """Let a running gateway take over what was changed; without one there is nothing to do.

    Where each role is a service of its own, the change is given to their accounts, and a person restarts them.
    """
    settings = load(home)
    if settings.accounts.split:
        share_out(home)
        return TakeOver(TakenOver.SERVICES)
    try:
        take_over(settings, regardless=regardless)
    except NotRunning:
        alone = tuple(role.value for role in Role if holder(home.run, role) is not None)
        return TakeOver(TakenOver.ROLES_ALONE, alone) if alone else TakeOver(TakenOver.AT_START)
    return TakeOver(TakenOver.AT_ONCE)


def _processes(home: Home) -> dict[Role, str | None]:
    """The process that each role's lock file names. Read without the lock: taking it would be in a starting role's way."""
    return {role: _named(home.run / f"{role}.lock") for role in Role}


def _named(lock: Path) -> str | None:
    try:
        return lock.read_text(encoding="ascii").strip() or None
    except FileNotFoundError:
        return None
    except PermissionError as error:
        raise NotPermitted("The gateway runs as another user.") from error
