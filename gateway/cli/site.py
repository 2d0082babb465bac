"""The site that a command works on, as named by --home or GATEWAY_HOME.

Raises SiteMissing where none is named or none is there, ConfigurationInvalid where its configuration has faults.
"""

from __future__ import annotations

from pathlib import Path

import click

from gateway.errors import SiteMissing
from gateway.settings.home import Home
from gateway.settings.model import Settings
from gateway.settings.read import load


def home_of(ctx: click.Context) -> Home:
    """The home that was named, its path absolute; whether there is a site in it is not looked at."""
    named = ctx.find_root().obj
    if not isinstance(named, Path):
        raise SiteMissing("No site is named.")
    return Home(named.absolute())


def settings_of(ctx: click.Context) -> Settings:
    """The settings of the site that was named."""
    return load(home_of(ctx))
