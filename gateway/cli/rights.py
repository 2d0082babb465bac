"""`gateway rights`: who may do what below HOME, where each role has an account of its own."""

from __future__ import annotations

import os
from dataclasses import asdict

import click

from gateway.cli import output
from gateway.cli.site import settings_of
from gateway.errors import NotPermitted, UsageWrong


@click.command()
@click.option("--apply", "applied", is_flag=True, help="Make it so.")
@output.as_json
@click.pass_context
def rights(ctx: click.Context, *, applied: bool, as_json: bool) -> None:
    """Compare owners, groups and modes below HOME with what the split installation wants, or set them; takes root.

    Exit status 0 if nothing differs or everything was set, else 69. docs/operators/split.md has the table.

    \b
    Example:
      gateway --home /srv/gateway rights --apply
    """
    settings = settings_of(ctx)
    if not settings.accounts.split:
        raise UsageWrong("One account runs everything here ([accounts] split = false): there is nothing to share out.")
    from gateway.settings import rights as table  # noqa: PLC0415  # most sites do without

    if os.geteuid() != 0:
        raise NotPermitted("Only root may look everywhere, and give directories to the accounts of the roles.")
    found = table.apply(settings) if applied else list(table.differences(settings))
    if as_json:
        output.show_json([{**asdict(each), "path": str(each.path)} for each in found])
    elif found:
        rows = [(str(each.path.relative_to(settings.home.root)), each.was, each.wanted) for each in found]
        output.show_table(("PATH", "WAS" if applied else "IS", "NOW" if applied else "WANTED"), rows)
    else:
        output.say("All rights are as they should be.")
    if found and not applied:
        output.say("What to do: as root, `gateway rights --apply`.")
        ctx.exit(69)
