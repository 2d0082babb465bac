"""`gateway sample`: made-up but lifelike files, whole or with a named defect. Needs no site."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import click

from gateway.cli import output, tables
from gateway.cli.site import settings_if_any
from gateway.cli.tables import Column
from gateway.errors import UsageWrong
from gateway.sample import order as orders
from gateway.sample.order import DefectView
from gateway.settings.model import SiteKind

_COLUMNS: Final = tuple(map(Column, ("FLOW", "DEFECT", "FOUND AS", "A FAULT OF THE")))


@click.command()
@click.argument("flow", required=False, metavar="FLOW")
@click.option("--to", "recipient", metavar="CODE", help="The site that the files are for.  [what goes to DWP: DWP]")
@click.option("--count", type=click.IntRange(1, 1_000_000), default=1, show_default=True, metavar="N")
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), metavar="DIR", help="Made if it is not there.")
@click.option("--seed", type=int, metavar="S", help="The same seed makes the same files.  [default: a new one]")
@click.option("--defect", metavar="KIND", help="Put this defect into every file.")
@click.option(
    "--from",
    "sender",
    metavar="CODE",
    help="The site that sends.  [default: DWP; from an authority: this site, or E09000030]",
)
@click.option("--date", "today", type=click.DateTime(["%Y-%m-%d"]), help="The day of the files.  [default: today]")
@click.option(
    "--schema", "version", metavar="VERSION", help="The version of the schema, such as 1.0.  [default: the newest]"
)
@click.option(
    "--answers",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Of outcome and extract: answer the referrals and scan results below DIR, all but a few.",
)
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@click.option("--list-defects", is_flag=True, help="List the defects that there are, of one flow or of all.")
@output.as_csv
@output.as_json
@click.pass_context
def sample(
    ctx: click.Context,
    flow: str | None,
    recipient: str | None,
    count: int,
    out: Path | None,
    seed: int | None,
    defect: str | None,
    sender: str | None,
    today: datetime | None,
    version: str | None,
    answers: Path | None,
    *,
    force: bool,
    list_defects: bool,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Make N files of a FLOW with invented people in them, and print their paths.

    No National Insurance number in them was ever issued. With --defect each file has that one thing wrong, to see how
    it comes back, or travels with exceptions: --list-defects says which there are, and which may be faults of a record.

    With --answers the files name referrals that exist: one outcome for each document below DIR that is for the sending
    authority, or one extract for all of them. One match in eight is left without an answer.

    \b
    Example:
      gateway sample claim --to E09000030 --count 50 --out /tmp/claims --seed 7
      gateway sample laid --to E09000030 --out /tmp/laids --defect javascript
      gateway sample etd --to E09000030 --out /tmp/notices --schema 1.0
      gateway --home /srv/gateway sample outcome --answers /srv/gateway/spool/inbound/referral/DWP --out /tmp/answers
      gateway sample --list-defects --json
    """
    makers = orders.makers_of(flow, version)
    if list_defects:
        _list(orders.defects(makers), as_csv=as_csv, as_json=as_json)
        return
    if as_csv:
        raise UsageWrong("--csv belongs to --list-defects.")
    if flow is None or out is None:
        raise UsageWrong("Say which FLOW, and with --out where the files go.")
    wanted = orders.Order(
        flow=flow,
        count=count,
        today=today.date() if today else datetime.now(UTC).date(),
        defect=defect,
        sender=sender,
        recipient=recipient,
        own=_own_code(ctx),
        answers=answers,
    )
    orders.require_order(makers[flow], wanted)
    if seed is None:
        seed = random.SystemRandom().randrange(10**9)
        output.say(f"seed {seed}")
    paths = orders.write(orders.make(makers[flow], wanted, seed), out, force=force)
    if as_json:
        output.show_json([str(path) for path in paths])
    else:
        for path in paths:
            click.echo(str(path))


def _list(found: Sequence[DefectView], *, as_csv: bool, as_json: bool) -> None:
    if as_json:
        output.show_json(found)
    elif as_csv:
        output.show_csv(DefectView, found)
    else:
        tables.show(_COLUMNS, [(each.flow, each.defect, each.code, each.of) for each in found])


def _own_code(ctx: click.Context) -> str | None:
    """The authority whose site was named, if one was."""
    settings = settings_if_any(ctx)
    return settings.site.code if settings is not None and settings.site.kind is SiteKind.LA else None
