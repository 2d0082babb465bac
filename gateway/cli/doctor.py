"""`gateway doctor`: everything that would stop this site from working."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from gateway.administration.site.doctor import examine_site, migrate_ledger
from gateway.cli import output
from gateway.cli.site import decision_of, home_of, log_of, reason_or, settings_of

if TYPE_CHECKING:
    from gateway.administration.site.machine_checks import Check

_UNAVAILABLE: Final = 69
_CONFIGURATION: Final = 78
_COLOURS: Final = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@click.option("--links", is_flag=True, help="Also try the link to every partner.")
@click.option(
    "--migrate",
    is_flag=True,
    help="First bring the ledger and directories of an earlier version up to date; nothing may run.",
)
@reason_or("a new version of the program")
@output.as_json
@click.pass_context
def doctor(ctx: click.Context, reason: str, *, links: bool, migrate: bool, as_json: bool) -> None:
    """Find everything that would stop this site from working: keys, clock, permissions, disk, schemas, links.

    Exit status 0 if no check failed, 78 if only the configuration is at fault, else 69.

    \b
    Example:
      gateway --home /srv/gateway doctor --links
    """
    home = home_of(ctx)
    if migrate:
        settings = settings_of(ctx)
        adopted = migrate_ledger(settings, log_of(settings), decision_of(ctx, settings, reason))
        if adopted is not None:
            output.say(
                f"The chain commits to the {adopted} rows of the ledger as they are today; what was changed in them before, it"
                " cannot tell."
            )
    found = []
    for check in examine_site(home, links=links):
        found.append(check)
        if not as_json:
            _show(check)
    if as_json:
        output.show_json([asdict(check) for check in found])
    failed = [check for check in found if check.outcome == "fail"]
    if failed:
        ctx.exit(_CONFIGURATION if all(check.configuration for check in failed) else _UNAVAILABLE)


def _show(check: Check) -> None:
    mark = click.style(f"{check.outcome.value:<5}", fg=_COLOURS[check.outcome.value])
    click.echo(f"{mark} {check.name:<20} {check.message}")
    if check.remedy and check.outcome != "ok":
        click.echo(f"{'':<26} what to do: {check.remedy}")
    sys.stdout.flush()
