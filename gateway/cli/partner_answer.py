"""`gateway partner answer CODE`: what this site can tell a partner that lost its ledger."""

from __future__ import annotations

import time
from pathlib import Path

import click

from gateway.cli import output
from gateway.cli.since import earliest
from gateway.cli.site import decision_of, log_of, reason_option, settings_of


@click.command()
@click.argument("code", metavar="CODE")
@click.option("--since", required=True, metavar="TIME", help="From when on: the time of the partner's copy, or 7d.")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="FILE", help="A new file.")
@reason_option
@output.as_json
@click.pass_context
def answer(ctx: click.Context, code: str, since: str, out: Path, reason: str, *, as_json: bool) -> None:
    """Tell the partner CODE, which was put back from an old copy, what went between the two sites since then.

    FILE is signed by this site and sealed to the partner: any way will do to bring it there, for `gateway recover`. It tells of the
    consignments between the two sites, and of nothing else. The receipts since then are sent to the partner once more. Make sure
    by telephone that it was the partner who asked.

    \b
    Example:
      gateway --home /srv/gateway partner answer E09000030 --since 2026-11-28T01:30:00Z --out for-tower-hamlets.answer \\
        --reason "their disk was lost; asked by telephone"
    """
    from gateway.administration.backup import answering  # noqa: PLC0415  # slow to import

    settings = settings_of(ctx)
    decision = decision_of(ctx, settings, reason, code)
    moment = earliest(since, time.time())
    done = answering.answer(settings, log_of(settings), code, moment, out, decision)
    if as_json:
        output.show_json(done)
        return
    click.echo(done.file)
    output.say(
        f"{output.counted(done.received, 'consignment')} of theirs, {done.sent} of ours that they had answered;"
        f" {output.counted(done.receipts, 'receipt')} of ours go once more. Send them the file."
    )
