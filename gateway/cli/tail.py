"""`gateway tail`: follow what happens at a site, in words."""

from __future__ import annotations

import sys
import time
from dataclasses import asdict
from typing import Final

import click
import orjson

from gateway.administration.access import opened
from gateway.administration.views.happenings import Happening, HappeningFilter, follow, start_of
from gateway.cli import tables
from gateway.cli.since import earliest
from gateway.cli.site import settings_of
from gateway.flows.routes import WAYS

_EVERY: Final = 0.5
"""Seconds between two looks at the chain."""
_LAST: Final = 10
_COLOURS: Final = {"warning": "yellow", "error": "red"}


@click.command()
@click.option(
    "--since", metavar="TIME", help="Begin there: 2026-11-21T10:00:00Z, 90m, 12h, 7d.  [default: the last 10]"
)
@click.option("--partner", metavar="CODE", help="Only what is about this partner.")
@click.option("--flow", type=click.Choice(list(WAYS)), help="Only what is about this kind of file.")
@click.option("--once", is_flag=True, help="End with what there is, and do not wait for more.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, one object a line.")
@click.pass_context
def tail(
    ctx: click.Context, since: str | None, partner: str | None, flow: str | None, *, once: bool, as_json: bool
) -> None:
    """Follow what happens at this site: the events of its audit chain, in words, as they come. Ctrl-C ends it.

    Nothing is shown that the log lines do not say: no file name, and whatever looks like a National Insurance number is masked. A
    consignment that is not opened yet belongs to no flow. `gateway show ID` tells the whole story of one transfer or
    consignment.

    \b
    Example:
      gateway --home /srv/gateway tail
      gateway --home /srv/gateway tail --since 12h --partner E09000030 --flow claim
      gateway --home /srv/gateway tail --since 2026-11-21 --once --json
    """
    settings, wanted = settings_of(ctx), HappeningFilter(partner, flow)
    moment = None if since is None else earliest(since, time.time())

    def pause() -> bool:
        sys.stdout.flush()
        if not once:
            time.sleep(_EVERY)
        return not once

    try:
        with opened(settings) as ledger:
            with ledger.read() as connection:
                start = start_of(connection, wanted, moment, _LAST)
            for each in follow(ledger.read, wanted, start, pause):
                if as_json:
                    sys.stdout.write(orjson.dumps(asdict(each)).decode() + "\n")
                else:
                    sys.stdout.write(_line(each) + "\n")
    except KeyboardInterrupt:
        return


def _line(each: Happening) -> str:
    """Time, partner, flows, what happened, and what to show for more."""
    words = each.words if each.level not in _COLOURS or not sys.stdout.isatty() else _coloured(each)
    subject = each.transfer or each.consignment
    kind = "transfer" if each.transfer else "consignment"
    columns = f"{tables.brief(each.at)}  {each.partner or '-':<9}  {','.join(each.flows) or '-':<8}  {words}"
    return f"{columns}  {kind} {subject}" if subject else columns


def _coloured(each: Happening) -> str:
    return click.style(each.words, fg=_COLOURS[each.level])
