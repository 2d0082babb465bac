"""`gateway retention`: remove and erase what is over its time; `hold-retention` and `release-retention`: keep something beyond it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import click

from gateway.cli import output, tables
from gateway.cli.site import decision_of, log_of, reason_option, reason_or, settings_of
from gateway.cli.tables import Column

if TYPE_CHECKING:
    from gateway.administration.retention.plan import Line
    from gateway.settings.model import Settings

_COLUMNS: Final = (
    Column("WHAT"),
    Column("RULE", wide=True),
    Column("FLOW"),
    Column("PARTNER"),
    Column("DUE", right=True),
    Column("SIZE", right=True, wide=True),
    Column("OLDEST (UTC)"),
    Column("HELD", right=True),
    Column("WAITS", right=True),
)
clock: Callable[[], float] = time.time
"""The time by which the clocks of `[retention]` are read."""


@click.command()
@click.option("--dry-run", is_flag=True, help="Say what would go, and leave it.")
@click.option(
    "--on",
    "day",
    type=click.DateTime(["%Y-%m-%d"]),
    metavar="YYYY-MM-DD",
    help="With --dry-run: what would go at the start of that day (UTC).",
)
@click.option(
    "--role",
    type=click.Choice(["inspect", "vault"]),
    help="Only what this role's account may remove and erase, where each has its own.",
)
@reason_or("the retention periods of this site")
@output.as_json
@click.pass_context
def retention(
    ctx: click.Context, day: datetime | None, role: str | None, reason: str, *, dry_run: bool, as_json: bool
) -> None:
    """Remove files, and erase names, references and reasons, whose time is over by `[retention]` of gateway.toml.

    Rows and the audit chain stay, and still verify. What a legal hold keeps is left alone. A signed certificate says what was done; it is
    kept in state/evidence/disposals. gateway-retention.timer does this every day; where the site has several nodes, at the one that has the site's own work. A run that was broken off is started again.

    \b
    Example:
      gateway --home /srv/gateway retention --dry-run --on 2027-12-31
      gateway --home /srv/gateway retention --json
    """
    from gateway.administration.retention import disposal, plan  # noqa: PLC0415  # slow to import

    if day is not None and not dry_run:
        raise click.UsageError("--on is for --dry-run: what is done is done by today's clock.")
    settings = settings_of(ctx)
    if dry_run:
        now = clock() if day is None else day.replace(tzinfo=UTC).timestamp()
        found = plan.plan(settings, now, role)
        if as_json:
            output.show_json(found)
            return
        _show(found.due)
        for hold in found.legal_holds:
            click.echo(f"On legal hold since {tables.brief(hold.placed)}: {hold.kind} {hold.unit}, {hold.reason}")
        output.say(f"{found.count} would go at {tables.brief(found.at)} (UTC)." if found.count else "Nothing would go.")
        return
    if settings.node.name and (node := _elsewhere(settings)) is not None:
        output.say(f"Node {node} has the site's own work, and so does this; nothing is done here.")
        if as_json:
            output.show_json({"elsewhere": node})
        return
    decision = decision_of(ctx, settings, reason)
    with output.progress("erasing") as tell:
        done = disposal.dispose(settings, log_of(settings), decision, clock, role, tell)
    if as_json:
        output.show_json(done)
        return
    _show(done.due)
    if done.certificate is not None:
        click.echo(f"\n{done.certificate}")
        output.say(f"The certificate, signed: {done.file}")
    elif not any(line.count for line in done.due):
        output.say("Nothing is over its time.")
    if done.compacted == "no room":
        output.say(
            "The disk has no room to write the ledger anew: free space of its file may hold traces of what was erased."
        )
    if not done.emptied:
        output.say("The ledger's -wal is in use, and may still hold what was erased: run this again later.")


def _elsewhere(settings: Settings) -> str | None:
    """The node that does it, where that is another one: its timer runs there as it does here."""
    from gateway.administration.access import reading  # noqa: PLC0415  # slow to import
    from gateway.administration.site.nodes import site_elsewhere  # noqa: PLC0415  # slow to import

    with reading(settings) as connection:
        return site_elsewhere(settings, connection)


def _show(lines: Sequence[Line]) -> None:
    if lines:
        tables.show(
            _COLUMNS,
            [
                (
                    each.kind,
                    each.rule,
                    each.flow or "",
                    each.partner or "",
                    str(each.count),
                    tables.bytes_of(each.size) if each.size else "",
                    tables.brief(each.oldest),
                    str(each.held or ""),
                    str(each.waiting or ""),
                )
                for each in lines
            ],
        )


@click.command("hold-retention")
@click.argument("identity", metavar="[ID]", required=False)
@click.option("--partner", metavar="CODE", help="Everything that is of this partner, and will be.")
@reason_option
@click.pass_context
def hold_retention(ctx: click.Context, identity: str | None, partner: str | None, reason: str) -> None:
    """Keep something beyond its time: a legal hold on the transfer, consignment or quarantined file ID, or on a whole partner.

    With a transfer goes what carries it, the receipts, and why people decided on it. `gateway show ID` tells of the hold.

    \b
    Example:
      gateway --home /srv/gateway hold-retention 019ab5f0 --reason "appeal, case 2027/14"
      gateway --home /srv/gateway hold-retention --partner E09000030 --reason "audit of the year 2026"
    """
    from gateway.administration.retention import holding  # noqa: PLC0415  # slow to import

    settings = settings_of(ctx)
    decision = decision_of(ctx, settings, reason, partner or identity or "")
    kept = holding.place(settings, log_of(settings), identity, partner, decision)
    output.say(f"The {kept.kind} {kept.id} is kept until `gateway release-retention`.")
    if kept.erased is not None:
        output.say(f"What may name people in it was erased before, at {tables.brief(kept.erased)} (UTC).")


@click.command("release-retention")
@click.argument("identity", metavar="[ID]", required=False)
@click.option("--partner", metavar="CODE", help="End the hold on everything of this partner.")
@reason_option
@click.pass_context
def release_retention(ctx: click.Context, identity: str | None, partner: str | None, reason: str) -> None:
    """End a legal hold: what it kept goes when its time is over, or with the next run where that is past.

    \b
    Example:
      gateway --home /srv/gateway release-retention 019ab5f0 --reason "appeal decided"
    """
    from gateway.administration.retention import holding  # noqa: PLC0415  # slow to import

    settings = settings_of(ctx)
    decision = decision_of(ctx, settings, reason, partner or identity or "")
    kept = holding.release(settings, log_of(settings), identity, partner, decision)
    output.say(f"The {kept.kind} {kept.id} is kept as long as all others, and no longer.")
