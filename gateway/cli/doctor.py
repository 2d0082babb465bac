"""`gateway doctor`: everything that would stop this site from working."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from gateway.cli import output
from gateway.cli.site import home_of
from gateway.errors import SiteMissing
from gateway.settings.home import Home

if TYPE_CHECKING:
    from gateway.cli.checks import Check

_UNAVAILABLE: Final = 69
_CONFIGURATION: Final = 78
_COLOURS: Final = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command()
@click.option("--links", is_flag=True, help="Also try the link to every partner.")
@click.option(
    "--migrate", is_flag=True, help="First bring the ledger of an earlier version up to date; nothing may run."
)
@output.as_json
@click.pass_context
def doctor(ctx: click.Context, *, links: bool, migrate: bool, as_json: bool) -> None:
    """Find everything that would stop this site from working: keys, clock, permissions, disk, schemas, links.

    Exit status 0 if no check failed, 78 if only the configuration is at fault, else 69.

    \b
    Example:
      gateway --home /srv/gateway doctor --links
    """
    home = home_of(ctx)
    if not home.gateway_toml.exists():
        raise SiteMissing(f"There is no site in {home.root}: config/gateway.toml is not there.")
    if migrate:
        _migrate(home)
    found = []
    for check in _examine(home, links=links):
        found.append(check)
        if not as_json:
            _show(check)
    if as_json:
        output.show_json([asdict(check) for check in found])
    failed = [check for check in found if check.outcome == "fail"]
    if failed:
        ctx.exit(_CONFIGURATION if all(check.configuration for check in failed) else _UNAVAILABLE)


def _migrate(home: Home) -> None:
    """Bring the ledger to this program's version, in one transaction; SiteBusy while anything of the gateway runs."""
    from gateway.daemon.lock import held  # noqa: PLC0415  # slow to import
    from gateway.daemon.roles import Role  # noqa: PLC0415  # slow to import
    from gateway.ledger.integrity import require_file  # noqa: PLC0415  # slow to import
    from gateway.ledger.migrate import migrate  # noqa: PLC0415  # slow to import

    with ExitStack() as locks:
        for name in ("gateway", *(role.value for role in Role)):
            locks.enter_context(held(home.run, name))
        require_file(home.ledger)
        migrate(home.ledger)


def _examine(home: Home, *, links: bool) -> Iterator[Check]:
    from gateway.cli.checks import examine_machine  # noqa: PLC0415  # slow to import
    from gateway.cli.checks_engines import examine_engines, examine_links  # noqa: PLC0415  # slow to import
    from gateway.preflight import fit  # noqa: PLC0415  # slow to import
    from gateway.settings.read import examine  # noqa: PLC0415  # slow to import

    settings, _ = examine(home)
    settings = None if settings is None else fit(settings)
    yield from examine_machine(home, settings)
    if settings is not None:
        yield from examine_engines(settings)
        if links:
            yield from examine_links(settings)


def _show(check: Check) -> None:
    mark = click.style(f"{check.outcome.value:<5}", fg=_COLOURS[check.outcome.value])
    click.echo(f"{mark} {check.name:<20} {check.message}")
    if check.remedy and check.outcome != "ok":
        click.echo(f"{'':<26} what to do: {check.remedy}")
    sys.stdout.flush()
