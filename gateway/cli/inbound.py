"""`gateway inbound pending`: what was delivered, and not answered by the back office yet."""

from __future__ import annotations

import time

import click

from gateway.administration.access import reading
from gateway.administration.views.inbound import PendingTransfer
from gateway.administration.views.inbound import pending as list_pending
from gateway.cli import output, tables
from gateway.cli.site import settings_of
from gateway.cli.tables import Column

_COLUMNS = (
    Column("FLOW"),
    Column("PARTNER"),
    Column("AGE", right=True),
    Column("NAME", gives_way=True),
    Column("ID"),
    Column("DELIVERED (UTC)", wide=True),
)
_HOUR = 3600.0


@click.group()
def inbound() -> None:
    """Look at what came in, as the back office sees it.

    \b
    Example:
      gateway --home /srv/gateway inbound pending
    """


@inbound.command()
@click.option(
    "--older-than", type=click.FloatRange(min=0), metavar="HOURS", default=0.0, help="Only what has waited for longer."
)
@output.as_csv
@output.as_json
@click.pass_context
def pending(ctx: click.Context, older_than: float, *, as_csv: bool, as_json: bool) -> None:
    """List what was delivered and not answered: by flow and partner, what has waited longest first.

    The back office answers with NAME.accepted or NAME.rejected, or with the ID in the place of the name, in
    spool/outcomes.

    \b
    Example:
      gateway --home /srv/gateway inbound pending --older-than 24
    """
    with reading(settings_of(ctx)) as connection:
        found = list_pending(connection, time.time(), older_than * _HOUR)
    if as_json:
        output.show_json(found)
        return
    if as_csv:
        output.show_csv(PendingTransfer, found)
        return
    if found:
        tables.show(_COLUMNS, [_cells(each) for each in found])
    output.say(f"{len(found)} delivered and not answered" if found else "Nothing waits for an answer.")


def _cells(each: PendingTransfer) -> tuple[str, ...]:
    return (
        each.flow,
        each.partner,
        _age(each.age_seconds),
        each.delivered_as or each.name,
        each.id,
        tables.brief(each.delivered),
    )


def _age(seconds: int) -> str:
    """Days and hours, hours and minutes, or minutes."""
    minutes = seconds // 60
    hours, days = minutes // 60, minutes // 1440
    if days:
        return f"{days} d {hours % 24} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"
