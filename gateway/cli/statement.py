"""`gateway statement`: the connection statement, what a code of connection asks of a site, measured on it."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import click

from gateway.cli import output
from gateway.cli.site import settings_of


@click.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="A new PDF.")
@click.option("--links", is_flag=True, help="Also connect to every partner's server, and say what was agreed on.")
@output.as_json
@click.pass_context
def statement(ctx: click.Context, out: Path | None, *, links: bool, as_json: bool) -> None:
    """Measure this site, and say what a code of connection asks: what falls short first. It changes nothing.

    Checks, walls, keys, algorithms, accounts, file rights, retention, audit, versions. Best while the gateway runs: walls are those
    of its processes. Without --out the page is printed. Exit status 0 whatever it says: `gateway doctor` is for monitoring.
    (`gateway audit statement` is another thing: a day's signed end of the audit chain.)

    \b
    Example:
      gateway --home /srv/gateway statement --out connection-2026-12.pdf
      gateway --home /srv/gateway statement --links --json
    """
    from gateway.administration.connection import statement as connection  # noqa: PLC0415  # slow to import

    found = connection.measure(settings_of(ctx), time.time(), links=links)
    if out is not None:
        connection.write_pdf(found, out)
        output.say(f"{out}: {len(found.short)} fall short, {len(found.unmeasured)} not measured.")
    if as_json:
        output.show_json(found)
    elif out is None:
        sys.stdout.buffer.write(connection.text(found))
        sys.stdout.buffer.flush()
