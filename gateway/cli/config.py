"""`gateway config check`: every fault of the configuration at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict

import click

from gateway.cli import output
from gateway.cli.site import home_of
from gateway.crypto.keyrings import Keyrings
from gateway.errors import ConfigurationInvalid, SiteMissing
from gateway.settings.faults import Fault
from gateway.settings.home import Home
from gateway.settings.secrets import secrets_of


@click.group()
def config() -> None:
    """Check the configuration."""


@config.command()
@output.as_json
@click.pass_context
def check(ctx: click.Context, *, as_json: bool) -> None:
    """Check the configuration, its directories and its certificates; all faults at once, with file and line.

    Exit status 0 if there is none, else 78.

    \b
    Example:
      gateway --home /srv/gateway config check
    """
    home = home_of(ctx)
    if not home.gateway_toml.exists():
        raise SiteMissing(f"There is no site in {home.root}: config/gateway.toml is not there.")
    from gateway.settings.read import check as check_home  # noqa: PLC0415  # slow to import

    faults = [*check_home(home, secrets_of(home, os.environ)), *_certificates(home)]
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


def _certificates(home: Home) -> Iterator[Fault]:
    """Partners whose certificate is not there; whether it is the right one, `gateway doctor` asks GnuPG."""
    from gateway.settings.read import examine  # noqa: PLC0415  # slow to import

    settings, _ = examine(home)
    keyrings = Keyrings(home.keyrings)
    for code, partner in settings.partners.items() if settings else ():
        rings = [keyrings.partner_ring(code)]
        if partner.old_fingerprint is not None:
            rings.append(keyrings.old_ring(code, partner.old_fingerprint))
        if not all(ring.is_file() for ring in rings):
            file = str((home.partners_d / f"{code}.toml").relative_to(home.root))
            message = "has no certificate in state/keyrings: take the partner's card again with `gateway partner add`"
            yield Fault(file, 0, "", message)
