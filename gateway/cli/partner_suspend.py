"""`gateway partner suspend` and `resume`: exchange nothing with a partner for now, and exchange with it again."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from gateway.administration.site.settings import require_all_rights
from gateway.cli import output
from gateway.cli.site import decision_of, log_of, reason_option, say_taken_over, settings_of

if TYPE_CHECKING:
    from gateway.administration.site.suspension import Suspension

_dry_run = click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")


@click.command()
@click.argument("code", metavar="CODE")
@reason_option
@_dry_run
@output.as_json
@click.pass_context
def suspend(ctx: click.Context, code: str, reason: str, *, dry_run: bool, as_json: bool) -> None:
    """Exchange nothing with the partner CODE until `gateway partner resume`: an incident at their end, a contract that rests.

    Nothing goes to it, receipts included, and nothing of it is taken in, opened or delivered. The managed SFTP server ends its
    sessions and lets it in no more. What waits stays where it is; only the time in which files expire goes on. A gateway that
    runs takes it over at once.

    \b
    Example:
      gateway --home /srv/gateway partner suspend E09000030 --reason "their incident 12, by telephone"
    """
    _decide(ctx, code, reason, suspends=True, dry_run=dry_run, as_json=as_json)


@click.command()
@click.argument("code", metavar="CODE")
@reason_option
@_dry_run
@output.as_json
@click.pass_context
def resume(ctx: click.Context, code: str, reason: str, *, dry_run: bool, as_json: bool) -> None:
    """Exchange with the suspended partner CODE again; what waited goes on.

    \b
    Example:
      gateway --home /srv/gateway partner resume E09000030 --reason "their incident 12 is closed"
    """
    _decide(ctx, code, reason, suspends=False, dry_run=dry_run, as_json=as_json)


def _decide(ctx: click.Context, code: str, reason: str, *, suspends: bool, dry_run: bool, as_json: bool) -> None:
    settings = settings_of(ctx)
    from gateway.administration.site import suspension  # noqa: PLC0415  # slow to import

    decision = decision_of(ctx, settings, reason, code, dry_run=dry_run)
    if not dry_run:
        require_all_rights(settings)
    act = suspension.suspend if suspends else suspension.resume
    done = act(settings, log_of(settings), code, decision, dry_run=dry_run)
    if as_json:
        output.show_json({**asdict(done), "dry_run": dry_run})
        return
    _tell(done, dry_run=dry_run)


def _tell(done: Suspension, *, dry_run: bool) -> None:
    word = "suspended" if done.suspended else "suspended no more"
    output.say(f"Partner {done.partner} {'would be' if dry_run else 'is'} {word}.")
    files = output.counted(done.waiting_out, "file"), output.counted(done.waiting_in, "file")
    stays = "stay as they are" if done.suspended else "go on"
    output.say(f"{files[0]} to it, and {files[1]} from it that were opened, {stays}.")
    if done.taken_over is not None:
        say_taken_over(done.taken_over)
