"""`gateway notify list` and `test`: whom this site tells what happens."""

from __future__ import annotations

import os
import time
from typing import Final

import click

from gateway.cli import output, tables
from gateway.cli.site import settings_of
from gateway.cli.tables import Column
from gateway.errors import UsageWrong
from gateway.settings.secrets import secrets_of

_UNAVAILABLE: Final = 69
_COLUMNS: Final = (
    Column("CHANNEL"),
    Column("SERVER", gives_way=True),
    Column("FROM"),
    Column("ERRORS SINCE (UTC)"),
    Column("OTHERS SINCE (UTC)"),
    Column("TOLD LAST (UTC)"),
    Column("FAILURES", right=True),
    Column("CODE"),
)
_NONE: Final = "No channel: [notify] of gateway.toml has none (docs/operators/notices.md)."


@click.group()
def notify() -> None:
    r"""Whom this site tells what happens: list the channels, test them."""


@notify.command("list")
@output.as_csv
@output.as_json
@click.pass_context
def list_channels(ctx: click.Context, *, as_csv: bool, as_json: bool) -> None:
    """List the channels of `[notify]`: what waits to be told, and since when, and whether notices get through.

    FROM is the least level that is told. What happened before the role `notify` first ran with a channel is not told.

    \b
    Example:
      gateway --home /srv/gateway notify list
    """
    from gateway.administration.notify import looking  # noqa: PLC0415  # slow to import

    found = looking.channels(settings_of(ctx))
    if as_json:
        output.show_json(found)
    elif as_csv:
        output.show_csv(looking.ChannelView, found.channels)
    elif not found.channels:
        output.say(_NONE)
    else:
        tables.show(
            _COLUMNS,
            [
                (
                    each.channel,
                    each.server,
                    each.level,
                    *(tables.brief(at) if at else "" for at in (each.errors_since, each.others_since, each.told)),
                    str(each.failures),
                    each.code or "",
                )
                for each in found.channels
            ],
        )
        if not found.running:
            output.say(
                "The role `notify` does not run: nobody is told anything. `gateway reload` starts it with the gateway."
            )


@notify.command()
@click.argument("channels", nargs=-1, metavar="[CHANNEL]...")
@output.as_json
@click.pass_context
def test(ctx: click.Context, channels: tuple[str, ...], *, as_json: bool) -> None:
    """Send a test through each channel of `[notify]`, or through those named, and say what happened.

    It goes at once, in quiet hours too, by the connection that notices take. Exit status 69 where a channel did not take it.

    \b
    Example:
      gateway --home /srv/gateway notify test
      gateway --home /srv/gateway notify test mail-ops
    """
    from gateway.administration.notify import looking  # noqa: PLC0415  # slow to import
    from gateway.administration.notify.channels import send  # noqa: PLC0415  # as above

    settings = settings_of(ctx)
    known = settings.notify.channels
    for name in channels:
        if name not in known:
            raise UsageWrong(f"There is no channel {name} here; there are: {', '.join(known) or 'none'}.")
    secrets = secrets_of(settings.home, os.environ)
    trials = looking.try_channels(
        settings,
        channels or tuple(known),
        lambda channel, name, notice, now: send(channel, name, notice, secrets, now),
        time.time(),
        os.urandom,
    )
    if as_json:
        output.show_json(trials)
    elif not trials:
        output.say(_NONE)
    else:
        for each in trials:
            said = f"refused: {each.reason}" if not each.taken else "taken"
            more = f", but not for {each.refused} of its recipients" if each.refused else ""
            click.echo(tables.printable(f"{each.channel}, {each.server}: {said}{more}"))
    if not all(each.taken and not each.refused for each in trials):
        ctx.exit(_UNAVAILABLE)
