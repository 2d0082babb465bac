"""`gateway audit export`: what this site can show of a period to somebody who does not trust it."""

from __future__ import annotations

import time
from datetime import date, datetime
from pathlib import Path

import click

from gateway.cli import output
from gateway.cli.site import settings_of

_DAY = click.DateTime(formats=["%Y-%m-%d"])


@click.command()
@click.option(
    "--from", "start", required=True, type=_DAY, metavar="DAY", help="The first day, such as 2026-11-01 (UTC)."
)
@click.option("--to", "end", required=True, type=_DAY, metavar="DAY", help="The last day, which has to have ended.")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="FILE", help="A new ZIP file.")
@output.as_json
@click.pass_context
def export(ctx: click.Context, start: datetime, end: datetime, out: Path, *, as_json: bool) -> None:
    """Write down everything of a period, as one signed file: events with their chain, rows, partners' signed receipts.

    `tools/verify_evidence.py` checks it without this program. A row is in the export of the days in which it changed last.

    \b
    Example:
      gateway --home /srv/gateway audit export --from 2026-11-01 --to 2026-11-30 --out november.zip
    """
    from gateway.administration.evidence import period  # noqa: PLC0415  # slow to import

    settings = settings_of(ctx)
    with output.progress("exporting") as tell:
        made = period.export(settings, _day(start), _day(end), out, time.time(), tell)
    output.show_made(made, as_json=as_json)


def _day(moment: datetime) -> date:
    return moment.date()
