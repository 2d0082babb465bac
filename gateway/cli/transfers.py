"""`gateway transfers`: what went and what came."""

from __future__ import annotations

import time
from typing import Final

import click

from gateway.administration.access import reading
from gateway.administration.views.transfers import ListedTransfer, TransferFilter, TransferList
from gateway.administration.views.transfers import transfers as listed_transfers
from gateway.cli import output, tables
from gateway.cli import watch as watching
from gateway.cli.since import earliest as moment_of
from gateway.cli.site import settings_of
from gateway.cli.tables import Column
from gateway.domain.states import TRANSFER_IN, TRANSFER_OUT, Direction
from gateway.flows.routes import WAYS

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

_ERASED = "(erased)"
"""In place of a name whose time is over."""


@click.command()
@click.option("--direction", type=click.Choice([way.value for way in Direction]), help="Only what went, or what came.")
@click.option("--partner", metavar="CODE", help="Only those with this partner.")
@click.option("--flow", type=click.Choice(list(WAYS)), help="Only this kind of file.")
@click.option("--state", type=click.Choice(_STATES), help="Only those in this state now.")
@click.option(
    "--since",
    "--newer-than",
    "since",
    metavar="TIME",
    help="Only those submitted, or come, from then on: 2026-11-21, 2026-11-21T10:00:00Z, 90m, 12h, 7d.",
)
@click.option("--older-than", metavar="TIME", help="Only those from before then.")
@click.option(
    "--limit",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"The newest N.  [default: {_SHOWN}; with --csv and --json all]",
)
@watching.option
@output.as_csv
@output.as_json
@click.pass_context
def transfers(
    ctx: click.Context,
    direction: str | None,
    partner: str | None,
    flow: str | None,
    state: str | None,
    since: str | None,
    older_than: str | None,
    limit: int | None,
    *,
    watch: float | None,
    as_csv: bool,
    as_json: bool,
) -> None:
    """List transfers, the newest last. `gateway show ID` tells the story of one.

    \b
    Example:
      gateway --home /srv/gateway transfers --state rejected --since 7d
      gateway --home /srv/gateway transfers --partner E09000030 --state sent --older-than 2d --watch
      gateway --home /srv/gateway transfers --newer-than 31d --csv > november.csv
      gateway --home /srv/gateway transfers --direction in --flow claim --json
    """
    data = as_csv or as_json

    def look() -> TransferList:
        settings, now = settings_of(ctx), time.time()
        since_ = None if since is None else moment_of(since, now, "--since")
        before = None if older_than is None else moment_of(older_than, now, "--older-than")
        wanted = TransferFilter(direction, partner, flow, state, since_, before)
        shown = limit if data else limit or (_SHOWN if watch is None else watching.room())
        with reading(settings) as connection:
            return listed_transfers(settings, connection, wanted, shown, now)

    if watch is not None:
        watching.repeat(look, _show, watch, as_data=data)
        return
    found = look()
    if as_json:
        output.show_json(found.transfers)
    elif as_csv:
        output.show_csv(ListedTransfer, found.transfers)
    else:
        _show(found)


def _show(found: TransferList) -> None:
    if found.transfers:
        tables.show(_COLUMNS, [_cells(each) for each in found.transfers])
    output.say(_total(len(found.transfers), found.total))


def _cells(each: ListedTransfer) -> tuple[str, ...]:
    return (
        each.id,
        each.direction,
        each.flow,
        each.partner,
        each.name or _ERASED,
        tables.bytes_of(each.size),
        each.state,
        tables.brief(each.updated),
        each.code or each.waits or ("unconfirmed" if each.unconfirmed else ""),
    )


def _total(shown: int, total: int) -> str:
    if shown < total:
        return f"the newest {shown} of {total} transfers; --limit shows more"
    return f"{total} transfer{'' if total == 1 else 's'}"
