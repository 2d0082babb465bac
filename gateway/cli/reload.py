"""`gateway reload`: a running gateway takes over its changed configuration."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Final

import click

from gateway.cli import output
from gateway.cli.site import settings_of, share_out
from gateway.daemon.lock import holder
from gateway.daemon.roles import Role
from gateway.daemon.stopped_partners import REMEDY, newly_stopped, noted_stopped
from gateway.errors import ConfigurationInvalid, NotPermitted, NotRunning, StillReloading, UsageWrong
from gateway.preflight import faults_of_partners, load, server_faults
from gateway.settings.home import Home
from gateway.settings.model import Settings

_LOOK_EVERY: Final = 0.1
_TO_START: Final = 60.0
"""Seconds that the roles may take to start again, after they have stopped."""


@click.command()
@click.pass_context
def reload(ctx: click.Context) -> None:
    """Check the configuration, and make the running gateway take it over.

    With a fault in gateway.toml, or a new one in a partner's file, nothing happens: the running gateway goes on as it was.
    A partner whose file had a fault when the gateway started is left out, and all the rest is taken over. The exit status
    is 78 as long as there is any fault; with no gateway running it is 69. Partners that were added or changed are known
    once this command has ended.

    \b
    Example:
      gateway --home /srv/gateway reload
    """
    settings = settings_of(ctx)
    take_over(settings)
    output.say(f"The gateway has reloaded; its partners: {', '.join(settings.partners) or 'none'}.")
    if settings.stopped:
        output.say(f"Stopped, and left as they are: {', '.join(settings.stopped)}.")
        for fault in faults_of_partners(settings):
            output.say(str(fault))
        output.say(f"what to do: {REMEDY}")
        ctx.exit(ConfigurationInvalid.exit_status)


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


def take_over_where_running(home: Home, *, regardless: bool = False) -> None:
    """Let a running gateway take over what a command has changed; without one there is nothing to do.

    Where each role is a service of its own, the change is given to their accounts, and a person restarts them.
    """
    settings = load(home)
    if settings.accounts.split:
        share_out(home)
        output.say("Now: `systemctl restart gateway.target`.")
        return
    try:
        take_over(settings, regardless=regardless)
    except NotRunning:
        alone = [role.value for role in Role if holder(home.run, role) is not None]
        if alone:
            output.say(f"These roles run by themselves, and have to be started anew now: {', '.join(alone)}.")
        else:
            output.say("The gateway does not run: it takes the change over when it starts.")
    else:
        output.say("The gateway that runs has taken the change over.")


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
