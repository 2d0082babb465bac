"""`gateway transfers`: what went and what came."""

from __future__ import annotations

import time
from typing import Final

import click

from gateway.cli import output, reading, tables
from gateway.cli.since import earliest as earliest_of
from gateway.cli.site import settings_of
from gateway.cli.tables import Column
from gateway.cli.waiting import Waiting
from gateway.domain.states import TRANSFER_IN, TRANSFER_OUT, Direction
from gateway.flows.catalog import FLOWS
from gateway.ledger.queries import overview

_SHOWN: Final = 50
_STATES: Final = tuple(sorted(state.value for state in {*TRANSFER_OUT, *TRANSFER_IN}))
_COLUMNS: Final = (
    Column("ID"),
    Column("DIR", wide=True),
    Column("FLOW"),
    Column("PARTNER"),
    Column("NAME", gives_way=True),
    Column("SIZE", right=True, wide=True),
    Column("STATE"),
    Column("UPDATED (UTC)", wide=True),
    Column("CODE", wide=True),
)


@click.command()
@click.option("--direction", type=click.Choice([way.value for way in Direction]), help="Only what went, or what came.")
@click.option("--partner", metavar="CODE", help="Only those with this partner.")
@click.option("--flow", type=click.Choice(list(FLOWS)), help="Only this kind of file.")
@click.option("--state", type=click.Choice(_STATES), help="Only those in this state now.")
@click.option(
    "--since", metavar="TIME", help="Only those from then on: 2026-11-21, 2026-11-21T10:00:00Z, 90m, 12h, 7d."
)
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", help=f"The newest N.  [default: {_SHOWN}; with --json all]"
)
@output.as_json
@click.pass_context
def transfers(
    ctx: click.Context,
    direction: str | None,
    partner: str | None,
    flow: str | None,
    state: str | None,
    since: str | None,
    limit: int | None,
    *,
    as_json: bool,
) -> None:
    """List transfers, the newest last. `gateway show ID` tells the story of one.

    \b
    Example:
      gateway --home /srv/gateway transfers --state rejected --since 7d
      gateway --home /srv/gateway transfers --direction in --flow claim --json
    """
    settings = settings_of(ctx)
    earliest = None if since is None else earliest_of(since, time.time())
    wanted = {"direction": direction, "partner": partner, "flow": flow, "state": state}
    bound = limit if as_json else limit or _SHOWN
    with reading.opened(settings) as ledger, ledger.read() as connection:
        rows = overview.transfers(connection, **wanted, since=earliest, limit=bound)
        total = len(rows)
        if bound is not None and total == bound:
            total = overview.count_transfers(connection, **wanted, since=earliest)
    waiting = Waiting(settings, time.time())
    found = [{**reading.transfer(row), "waits": waiting.of_transfer(row)} for row in reversed(rows)]
    if as_json:
        output.show_json(found)
        return
    if found:
        tables.show(
            _COLUMNS,
            [
                (
                    row["id"],
                    row["direction"],
                    row["flow"],
                    row["partner"],
                    row["name"],
                    tables.bytes_of(row["size"]),
                    row["state"],
                    tables.brief(row["updated"]),
                    row["code"] or row["waits"] or "",
                )
                for row in found
            ],
        )
    output.say(_total(len(found), total))


def _total(shown: int, total: int) -> str:
    if shown < total:
        return f"the newest {shown} of {total} transfers; --limit shows more"
    return f"{total} transfer{'' if total == 1 else 's'}"
