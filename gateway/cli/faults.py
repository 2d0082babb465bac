"""`gateway faults`: the board of known faults, and at DWP's site keeping and publishing it."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import datetime
from typing import Final

import click

from gateway.administration.access import reading
from gateway.administration.requests import fault_board
from gateway.administration.requests.fault_board import Published
from gateway.administration.views.known_faults import BoardView, FaultView, board
from gateway.cli import output, tables
from gateway.cli.site import decision_of, log_of, reason_or, settings_of
from gateway.cli.tables import Column
from gateway.errors import UsageWrong

_COLUMNS: Final = (
    Column("FAULT"),
    Column("STATE"),
    Column("SINCE"),
    Column("WHAT"),
    Column("WORKAROUND", gives_way=True),
)
_publish = click.option(
    "--publish/--no-publish", "sends", default=True, show_default=True, help="Send the board to every partner at once."
)

_why = reason_or("keeping the board")


@click.group(invoke_without_command=True)
@click.option("--all", "every", is_flag=True, help="Those that were mended in the last 30 days as well.")
@output.as_csv
@output.as_json
@click.pass_context
def faults(ctx: click.Context, *, every: bool, as_csv: bool, as_json: bool) -> None:
    r"""Show the known faults: the newest board that came from DWP, or at DWP's site the one that is kept there.

    \b
    Example:
      gateway --home /srv/gateway faults --all
      gateway --home /srv/gateway faults add ETD-7 --what "Notices of 24 November came twice." --since 2026-11-24
    """
    if ctx.invoked_subcommand is not None:
        if every or as_csv or as_json:
            raise UsageWrong("--all, --csv and --json belong to `gateway faults` alone, or behind the command's name.")
        return
    settings = settings_of(ctx)
    with reading(settings) as connection:
        found = board(settings, connection, time.time(), every=every)
    if as_json:
        sent = {} if found.sent is None else {"sent": found.sent}
        output.show_json({"issue": found.issue, "issued": found.issued, "faults": found.faults, **sent})
    elif as_csv:
        output.show_csv(FaultView, found.faults)
    else:
        _show(found)


@faults.command()
@click.argument("identity", metavar="ID")
@click.option("--what", required=True, metavar="TEXT", help="What is wrong, in a sentence that names nobody.")
@click.option(
    "--since", required=True, type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="Since when it is known."
)
@click.option("--workaround", metavar="TEXT", help="What to do meanwhile.")
@_publish
@_why
@output.as_json
@click.pass_context
def add(
    ctx: click.Context,
    identity: str,
    what: str,
    since: datetime,
    workaround: str | None,
    reason: str,
    *,
    sends: bool,
    as_json: bool,
) -> None:
    """Put a fault on the board, at DWP's site, and send the board to every partner.

    \b
    Example:
      gateway --home /srv/gateway faults add ETD-7 --what "Notices of 24 November came twice." --since 2026-11-24
    """
    settings, day = settings_of(ctx), since.date()
    decision = decision_of(ctx, settings, reason)
    published = fault_board.add(settings, log_of(settings), identity, what, day, workaround, decision, publish=sends)
    _tell(published, sent=sends, as_json=as_json)


@faults.command()
@click.argument("identity", metavar="ID")
@click.option("--what", metavar="TEXT", help="What is wrong.")
@click.option("--workaround", metavar="TEXT", help="What to do meanwhile.")
@_publish
@_why
@output.as_json
@click.pass_context
def change(
    ctx: click.Context,
    identity: str,
    what: str | None,
    workaround: str | None,
    reason: str,
    *,
    sends: bool,
    as_json: bool,
) -> None:
    """Say what is wrong, or what to do meanwhile, in other words.

    \b
    Example:
      gateway --home /srv/gateway faults change ETD-7 --workaround "Ignore those of run 118."
    """
    settings = settings_of(ctx)
    decision = decision_of(ctx, settings, reason)
    published = fault_board.change(settings, log_of(settings), identity, what, workaround, decision, publish=sends)
    _tell(published, sent=sends, as_json=as_json)


@faults.command()
@click.argument("identity", metavar="ID")
@_publish
@_why
@output.as_json
@click.pass_context
def close(ctx: click.Context, identity: str, reason: str, *, sends: bool, as_json: bool) -> None:
    """Say that a fault is mended. It stays on the board for 30 days more, as closed.

    \b
    Example:
      gateway --home /srv/gateway faults close ETD-7
    """
    settings = settings_of(ctx)
    decision = decision_of(ctx, settings, reason)
    published = fault_board.close(settings, log_of(settings), identity, decision, publish=sends)
    _tell(published, sent=sends, as_json=as_json)


@faults.command()
@_why
@output.as_json
@click.pass_context
def publish(ctx: click.Context, reason: str, *, as_json: bool) -> None:
    """Send the board as it is to every partner: to those that are new, or after --no-publish.

    \b
    Example:
      gateway --home /srv/gateway faults publish
    """
    settings = settings_of(ctx)
    _tell(
        fault_board.publish(settings, log_of(settings), decision_of(ctx, settings, reason)), sent=True, as_json=as_json
    )


def _tell(published: Published, *, sent: bool, as_json: bool) -> None:
    if as_json:
        output.show_json(asdict(published))
    elif sent:
        output.say(f"Issue {published.issue} goes to {len(published.transfers)} partners.")
    else:
        output.say(f"Issue {published.issue} is not sent: `gateway faults publish` does that.")


def _show(board: BoardView) -> None:
    if board.faults:
        rows = [(fault.id, fault.state, fault.since, fault.what, fault.workaround) for fault in board.faults]
        tables.show(_COLUMNS, rows)
    if not board.issue:
        output.say("no board of known faults yet")
        return
    output.say(f"{board.open} open faults on issue {board.issue} of the board, of {tables.brief(board.issued)} UTC")
    if board.sent is not None:
        output.say(f"issue {board.issue}: sent to {len(board.sent)} partners, {board.received} have it")
