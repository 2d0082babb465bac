"""The site that a command works on, as named by --home or GATEWAY_HOME.

Raises SiteMissing where none is named or none is there, ConfigurationInvalid where its configuration has faults.
"""

from __future__ import annotations

import os
from pathlib import Path

import click

from gateway.errors import ConfigurationInvalid, NotFound, NotPermitted, SiteMissing
from gateway.preflight import load
from gateway.settings.home import Home
from gateway.settings.model import Partner, Settings, Stopped


def home_of(ctx: click.Context) -> Home:
    """The home that was named, its path absolute; whether there is a site in it is not looked at."""
    named = ctx.find_root().obj
    if not isinstance(named, Path):
        raise SiteMissing("No site is named.")
    return Home(named.absolute())


def settings_of(ctx: click.Context) -> Settings:
    """The settings of the site that was named; from here on, new files are closed as that site's are."""
    settings = load(home_of(ctx))
    os.umask(settings.umask)
    return settings


def partner_of(settings: Settings, code: str) -> Partner:
    """The partner of that code, NotFound without one; ConfigurationInvalid, with its faults, for one that is stopped."""
    if code in settings.stopped:
        raise stopped_fault(settings.stopped[code])
    if code not in settings.partners:
        raise NotFound(f"There is no partner {code[:40]}: `gateway partner list` shows those that there are.")
    return settings.partners[code]


def stopped_fault(stopped: Stopped) -> ConfigurationInvalid:
    """The error for whoever wants something of a partner that is stopped."""
    return ConfigurationInvalid("\n".join(str(fault) for fault in stopped.faults))


def require_all_rights(settings: Settings) -> None:
    """NotPermitted for a command that concerns every role, where each has an account of its own and this is not root."""
    if settings.accounts.split and os.geteuid() != 0:
        raise NotPermitted("This concerns every role, and each has an account of its own here: run it as root.")


def share_out(home: Home) -> None:
    """Give what a command has made to the accounts of the roles, where they have any."""
    settings = load(home)
    if settings.accounts.split:
        from gateway.settings.rights import apply  # noqa: PLC0415  # most sites do without

        apply(settings)
