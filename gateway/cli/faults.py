"""`gateway faults`: the board of known faults, and at DWP's site keeping and publishing it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import click

from gateway import assembly
from gateway.cli import acting, output, reading, tables
from gateway.cli.site import settings_of
from gateway.cli.tables import Column
from gateway.domain.known_faults import FLOW, Board, KnownFault
from gateway.errors import UsageWrong
from gateway.ledger.queries import known_faults
from gateway.settings.model import Settings, SiteKind
from gateway.stages import fault_board
from gateway.stages.context import StageContext
from gateway.stages.fault_board import Published, document_name
from gateway.validation.sandbox.pool import Sandbox

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


@click.group(invoke_without_command=True)
@click.option("--all", "every", is_flag=True, help="Those that were mended in the last 30 days as well.")
@output.as_json
@click.pass_context
def faults(ctx: click.Context, *, every: bool, as_json: bool) -> None:
    r"""Show the known faults: the newest board that came from DWP, or at DWP's site the one that is kept there.

    \b
    Example:
      gateway --home /srv/gateway faults --all
      gateway --home /srv/gateway faults add ETD-7 --what "Notices of 24 November came twice." --since 2026-11-24
    """
    if ctx.invoked_subcommand is not None:
        if every or as_json:
            raise UsageWrong("--all and --json belong to `gateway faults` alone, or behind the command's name.")
        return
    settings = settings_of(ctx)
    with reading.opened(settings) as ledger, ledger.read() as connection:
        board = known_faults.shown_board(connection, own=_is_ours(settings), now=time.time())
        sent = (
            known_faults.receipts(connection, document_name(board.issue), settings.codes) if _is_ours(settings) else {}
        )
    shown = board.faults if every else board.open
    if as_json:
        output.show_json(_data(settings, board, shown, sent))
    else:
        _show(board, shown)
        if _is_ours(settings) and board.issue:
            got = sum(state in ("receipted", "ingested") for state in sent.values())
            output.say(f"issue {board.issue}: sent to {len(sent)} partners, {got} have it")


@faults.command()
@click.argument("identity", metavar="ID")
@click.option("--what", required=True, metavar="TEXT", help="What is wrong, in a sentence that names nobody.")
@click.option(
    "--since", required=True, type=click.DateTime(["%Y-%m-%d"]), metavar="DATE", help="Since when it is known."
)
@click.option("--workaround", metavar="TEXT", help="What to do meanwhile.")
@_publish
@output.as_json
@click.pass_context
def add(
    ctx: click.Context, identity: str, what: str, since: datetime, workaround: str | None, *, sends: bool, as_json: bool
) -> None:
    """Put a fault on the board, at DWP's site, and send the board to every partner.

    \b
    Example:
      gateway --home /srv/gateway faults add ETD-7 --what "Notices of 24 November came twice." --since 2026-11-24
    """
    with acting.stage_context(ctx) as context:
        board = fault_board.add(context, identity, what, since.date(), workaround, acting.actor())
        _finish(context, board, sends=sends, as_json=as_json)


@faults.command()
@click.argument("identity", metavar="ID")
@click.option("--what", metavar="TEXT", help="What is wrong.")
@click.option("--workaround", metavar="TEXT", help="What to do meanwhile.")
@_publish
@output.as_json
@click.pass_context
def change(
    ctx: click.Context, identity: str, what: str | None, workaround: str | None, *, sends: bool, as_json: bool
) -> None:
    """Say what is wrong, or what to do meanwhile, in other words.

    \b
    Example:
      gateway --home /srv/gateway faults change ETD-7 --workaround "Ignore those of run 118."
    """
    with acting.stage_context(ctx) as context:
        board = fault_board.change(context, identity, what, workaround, acting.actor())
        _finish(context, board, sends=sends, as_json=as_json)


@faults.command()
@click.argument("identity", metavar="ID")
@_publish
@output.as_json
@click.pass_context
def close(ctx: click.Context, identity: str, *, sends: bool, as_json: bool) -> None:
    """Say that a fault is mended. It stays on the board for 30 days more, as closed.

    \b
    Example:
      gateway --home /srv/gateway faults close ETD-7
    """
    with acting.stage_context(ctx) as context:
        board = fault_board.close(context, identity, acting.actor())
        _finish(context, board, sends=sends, as_json=as_json)


@faults.command()
@output.as_json
@click.pass_context
def publish(ctx: click.Context, *, as_json: bool) -> None:
    """Send the board as it is to every partner: to those that are new, or after --no-publish.

    \b
    Example:
      gateway --home /srv/gateway faults publish
    """
    with acting.stage_context(ctx) as context:
        published = _send(context)
    _tell(published, as_json=as_json)


def _finish(context: StageContext, board: Board, *, sends: bool, as_json: bool) -> None:
    if sends:
        _tell(_send(context), as_json=as_json)
    elif as_json:
        output.show_json({"issue": board.issue, "transfers": {}})
    else:
        output.say(f"Issue {board.issue} is not sent: `gateway faults publish` does that.")


def _send(context: StageContext) -> Published:
    with Sandbox({FLOW: assembly.plans(context.settings)[FLOW]}, 1) as readers:
        return fault_board.publish(context, readers)


def _tell(published: Published, *, as_json: bool) -> None:
    if as_json:
        output.show_json({"issue": published.issue, "transfers": published.transfers})
    else:
        output.say(f"Issue {published.issue} goes to {len(published.transfers)} partners.")


def _is_ours(settings: Settings) -> bool:
    return settings.site.kind is SiteKind.DWP


def _data(settings: Settings, board: Board, shown: Sequence[KnownFault], sent: dict[str, str]) -> dict[str, Any]:
    return {
        "issue": board.issue,
        "issued": reading.moment(board.issued),
        "faults": [line(fault) for fault in shown],
        **({"sent": sent} if _is_ours(settings) else {}),
    }


def line(fault: KnownFault) -> dict[str, str]:
    """A fault as data."""
    return {
        "id": fault.id,
        "what": fault.what,
        "since": fault.since.isoformat(),
        "workaround": fault.workaround,
        "state": fault.state.value,
    }


def _show(board: Board, shown: Sequence[KnownFault]) -> None:
    if shown:
        rows = [(fault.id, fault.state.value, fault.since.isoformat(), fault.what, fault.workaround) for fault in shown]
        tables.show(_COLUMNS, rows)
    if not board.issue:
        output.say("no board of known faults yet")
        return
    issued = tables.brief(reading.moment(board.issued))
    output.say(f"{len(board.open)} open faults on issue {board.issue} of the board, of {issued} UTC")
