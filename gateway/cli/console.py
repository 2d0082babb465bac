"""`gateway console`: the web console of a site."""

from __future__ import annotations

import click

from gateway.cli.site import settings_of


@click.command()
@click.pass_context
def console(ctx: click.Context) -> None:
    """Serve the site's web console at `[console] listen`, until SIGTERM.

    `gateway run` does it too, where that setting names an address. It holds no key and asks the other roles for what is to be changed.
    `gateway people add` makes the first administrator.

    \b
    Example:
      gateway --home /srv/gateway console
    """
    from gateway.console.role import run_console_role  # noqa: PLC0415 - the page server is loaded where it serves

    run_console_role(settings_of(ctx))
