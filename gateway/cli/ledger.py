"""`gateway ledger copy`: the ledger goes into another database."""

from __future__ import annotations

import click

from gateway.administration.site.ledger_copy import SQLITE, copy_ledger, place_of, plan_copy
from gateway.cli import output
from gateway.cli.site import decision_of, log_of, reason_or, settings_of


@click.group()
def ledger() -> None:
    """Move the ledger between SQLite and PostgreSQL.

    \b
    Example:
      gateway --home /srv/gateway ledger copy --to postgresql://HOST/DATABASE
    """


@ledger.command()
@click.option(
    "--to",
    required=True,
    metavar="URL",
    help=f'The database: postgresql://HOST/DATABASE, without a password, or "{SQLITE}" for the file below HOME.',
)
@click.option("--dry-run", is_flag=True, help="Say what would be copied, and change nothing.")
@reason_or("the ledger moves into another database")
@output.as_json
@click.pass_context
def copy(ctx: click.Context, to: str, reason: str, *, dry_run: bool, as_json: bool) -> None:
    """Copy the whole ledger, verify the copy's chain and rows, and say what is to be done next.

    Nothing of the gateway may run, at any node. A copy that was broken off goes on where it was. The ledger that is copied stays as it is, but
    for one event that says so; a database of PostgreSQL is closed then (ledger-moved), and opened by a copy that comes back. The site works with
    the one that `[ledger] url` of gateway.toml names.

    \b
    Example:
      gateway --home /srv/gateway ledger copy --to postgresql://HOST/DATABASE --dry-run
      gateway --home /srv/gateway ledger copy --to sqlite --reason "back to one machine"
    """
    settings = settings_of(ctx)
    place = place_of(settings, to)
    if dry_run:
        planned = plan_copy(settings, place)
        if as_json:
            output.show_json(
                {
                    "events": planned.head.sequence - planned.there.sequence,
                    "rows": planned.rows,
                    "head": planned.head._asdict(),
                }
            )
            return
        click.echo(
            f"events to copy: {planned.head.sequence - planned.there.sequence}, from event {planned.there.sequence + 1} on"
        )
        click.echo(f"rows to compare or copy: {planned.rows}")
        output.say("To copy them, stop the gateway first, at every node.")
        return
    with output.progress("copying") as watch:
        done = copy_ledger(settings, log_of(settings), decision_of(ctx, settings, reason), place, watch)
    if as_json:
        output.show_json({**done._asdict(), "head": done.head._asdict()})
        return
    click.echo(
        f"{output.counted(done.events, 'event')} and {output.counted(done.written, 'row')} copied; the chain ends with event {done.head.sequence}."
    )
    click.echo("The copy's chain and rows are verified.")
    value = "" if to == SQLITE else to
    output.say(
        f'Next: set url = "{value}" in the table [ledger] of config/gateway.toml, then `gateway doctor`, then start the gateway.'
    )
