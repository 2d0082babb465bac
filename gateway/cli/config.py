"""`gateway config check`: every fault of the configuration at once."""

from __future__ import annotations

from dataclasses import asdict

import click

from gateway.cli import output
from gateway.cli.site import home_of
from gateway.errors import ConfigurationInvalid


@click.group()
def config() -> None:
    """Check the configuration."""


@config.command()
@output.as_json
@click.pass_context
def check(ctx: click.Context, *, as_json: bool) -> None:
    """Check the configuration, its directories and its certificates; all faults at once, with file and line.

    A fault of a partner's file stops that partner alone, one of gateway.toml the whole site. Exit status 0 if there is
    none, else 78.

    \b
    Example:
      gateway --home /srv/gateway config check
    """
    home = home_of(ctx)
    from gateway.administration.site.doctor import configuration_faults  # noqa: PLC0415  # slow to import

    faults = configuration_faults(home)
    if as_json:
        output.show_json([asdict(fault) for fault in faults])
    elif faults:
        for fault in faults:
            click.echo(str(fault))
        output.say(f"what to do: {ConfigurationInvalid.remedy}")
    else:
        output.say("The configuration has no faults.")
    if faults:
        ctx.exit(ConfigurationInvalid.exit_status)
