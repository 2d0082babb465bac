"""`gateway recover`: going on with a site that was put back from a copy."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from gateway.cli import output, tables
from gateway.cli.since import earliest
from gateway.cli.site import decision_of, log_of, reason_option, settings_of
from gateway.cli.tables import Column

_HELD: Final = (Column("TRANSFER"), Column("PARTNER"), Column("FLOW"), Column("NAME", gives_way=True))


@click.command()
@click.option(
    "--heads",
    "exported",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="What a partner knows of this site: `gateway audit heads OUR-CODE --json` there. One for each partner.",
)
@click.option(
    "--from-partners",
    "answers",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="A partner's signed answer: `gateway partner answer OUR-CODE ...` there. One for each partner.",
)
@click.option("--without", multiple=True, metavar="CODE", help="Go on without this partner's word. Repeatable.")
@click.option(
    "--lost",
    metavar="TIME",
    help="When the site stopped working: 2026-11-28T09:30:00Z, or 3h ago. What partners made more than five minutes later is not held: so far may clocks be apart.  [default: now]",
)
@reason_option
@output.as_json
@click.pass_context
def recover(
    ctx: click.Context,
    exported: Sequence[Path],
    answers: Sequence[Path],
    without: Sequence[str],
    lost: str | None,
    reason: str,
    *,
    as_json: bool,
) -> None:
    """Let a site that `gateway restore` put back go on, once every partner has said what it knows of it.

    Every partner writes a signed answer, while its own gateway runs. What they have of this site is not sent again; their receipts
    come once more. What they sent, and this site had receipted, is not delivered again. The rest goes on as it was in the copy. Heads
    alone (--heads) do where no partner has seen anything newer than the copy; else nothing is changed, and the exit status is 70.

    Files that this site may have delivered just before the loss are held, also those that come again later: ask the back
    office, and `gateway release` them, with --delivered where it has them.

    \b
    Example:
      gateway --home /srv/gateway recover --from-partners dwp.answer --lost 2026-11-28T09:30:00Z --reason "disk replaced, case 4711"
    """
    from gateway.administration.backup import recovering  # noqa: PLC0415  # slow to import

    moment = None if lost is None else earliest(lost, time.time(), "--lost")
    settings = settings_of(ctx)
    decision = decision_of(ctx, settings, reason)
    done = recovering.recover(settings, log_of(settings), exported, answers, without, moment, decision)
    if as_json:
        output.show_json(done)
        return
    output.say(f"The site goes on from event {done.head}, the copy of {done.taken}: `gateway run`.")
    output.say(
        f"{output.counted(len(done.sent), 'file')} that partners have, and the copy did not know: receipts come."
    )
    output.say(f"{output.counted(len(done.delivered), 'file')} that came since, and are not delivered again.")
    if done.held:
        output.say("Held, since nobody here knows whether they were delivered:")
        tables.show(_HELD, [(each.transfer, each.partner, each.flow, each.name) for each in done.held])
    output.say(f"What partners send again from before {done.lost} is held too: `gateway transfers --state held`.")
