"""`gateway audit statement`: where this site's audit chain stood at the end of a day, signed."""

from __future__ import annotations

import sys
from datetime import datetime

import click

from gateway.administration.site import statements
from gateway.cli import output
from gateway.cli.site import log_of, settings_of


@click.command()
@click.option(
    "--day",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="A day that has ended, in UTC.  [default: yesterday]",
)
@output.as_json
@click.pass_context
def statement(ctx: click.Context, day: datetime | None, *, as_json: bool) -> None:
    """Print this site's signed statement of a day; make it where the gateway has not made it yet.

    It is an OpenPGP message that anybody can read, and check with gpg and this site's certificate. A running gateway makes one
    each day, keeps it in state/evidence/statements, and sends it to each partner that takes statements.

    \b
    Example:
      gateway --home /srv/gateway audit statement --day 2026-11-27 > statement.asc
    """
    settings = settings_of(ctx)
    found = statements.statement(settings, log_of(settings), None if day is None else day.date())
    if as_json:
        output.show_json({**found.content, "sha256": found.sha256, "path": str(found.path), "signed": found.signed})
    else:
        sys.stdout.write(found.signed)
    if found.made:
        output.say(f"The statement of {found.day} was made just now; it goes to partners when the gateway runs.")
