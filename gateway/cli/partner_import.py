"""`gateway partner import`: what is decided about many partners, from a table."""

from __future__ import annotations

import time
from pathlib import Path

import click

from gateway.administration.site.settings import require_all_rights
from gateway.cli import output
from gateway.cli.site import decision_of, reason_option, settings_of


@click.command("import")
@click.argument("table", metavar="FILE.csv", type=click.Path(path_type=Path))
@reason_option
@click.option("--dry-run", is_flag=True, help="Say what would be done, line by line, and change nothing.")
@click.option("--unlisted", is_flag=True, help="Take cards whose code is not in the table of authorities.")
@output.as_json
@click.pass_context
def import_partners(
    ctx: click.Context, table: Path, reason: str, *, dry_run: bool, unlisted: bool, as_json: bool
) -> None:
    """Take over what FILE.csv says about partners, one a line; its first line names the columns.

    Columns: code, and any of card, fingerprint, link, flows, host, port, user, path, windows, max_bytes_per_second,
    landing_bytes, landing_files, day_bytes. An empty cell leaves the setting as it is; flows and windows have blanks between.

    No key is in the table. A partner that is not known yet needs its card (`card`, a path beside the table) and the fingerprint
    that somebody has let it read out by telephone (`fingerprint`), never one copied from the card. All or nothing: where one line
    is wrong every fault is named with its line, nothing is changed, and the exit status is 65. An import that was broken off is
    run again: what is done already is unchanged.

    \b
    Example:
      gateway --home /srv/gateway partner import partners.csv --reason "roll-out, wave 3" --dry-run
    """
    settings = settings_of(ctx)
    decision = decision_of(ctx, settings, reason, dry_run=dry_run)
    if not dry_run:
        require_all_rights(settings)
    from gateway.administration.site import partner_orders  # noqa: PLC0415  # slow to import
    from gateway.cli import partner_bulk  # noqa: PLC0415  # slow to import

    found = partner_bulk.planned(settings, list(partner_orders.table(table)), time.time(), unlisted=unlisted)
    bad = any(not each.answer.good for each in found)
    partner_bulk.finish(ctx, settings, found, decision, dry_run=dry_run or bad, as_json=as_json)
