"""`gateway logins`: who logged in at the SFTP server, and who tried to."""

from __future__ import annotations

import time
from typing import Final

import click

from gateway.administration.access import reading
from gateway.administration.views.logins import LoginView
from gateway.administration.views.logins import logins as list_logins
from gateway.cli import output, tables
from gateway.cli.since import earliest
from gateway.cli.site import settings_of
from gateway.cli.tables import Column

_SHOWN: Final = 200
_COLUMNS: Final = (
    Column("HOUR (UTC)"),
    Column("RESULT"),
    Column("COUNT", right=True),
    Column("PARTNER"),
    Column("KEY", gives_way=True),
)


@click.command()
@click.option("--partner", metavar="CODE", help="Only those with this partner's keys.")
@click.option(
    "--since", default="7d", show_default=True, metavar="TIME", help="From the hour of that time on: 12h, 30d."
)
@output.as_csv
@output.as_json
@click.pass_context
def logins(ctx: click.Context, partner: str | None, since: str, *, as_csv: bool, as_json: bool) -> None:
    """List the log-ins at this site's SFTP server, successful and not, by hour, result and partner.

    They are events of the audit chain: the first of its kind in an hour at once, those that repeat it when the hour is
    over. A partner is known by its key. Where the log-in was refused, somebody named that partner's key, which is public:
    it need not have been the partner. What strangers did has no name: the log has their addresses (`logon.refused`).

    \b
    Example:
      gateway --home /srv/gateway logins --partner E09000030 --since 30d
    """
    now = time.time()
    moment = min(max(earliest(since, now), 0.0), now)
    settings = settings_of(ctx)
    with reading(settings) as connection:
        found = list_logins(connection, moment, partner)
    if as_json:
        output.show_json(found.logins)
        return
    if as_csv:
        output.show_csv(LoginView, found.logins)
        return
    if found.logins:
        tables.show(_COLUMNS, [_cells(each) for each in found.logins[-_SHOWN:]])
    if len(found.logins) > _SHOWN:
        output.say(f"the last {_SHOWN} of {len(found.logins)} lines; --csv and --json have all of them")
    output.say(f"{found.accepted} accepted, {found.refused} refused")
    if not settings.sftp_server.managed:
        output.say("this site's SFTP server is not the gateway's: its log-ins are in that server's own log")


def _cells(each: LoginView) -> tuple[str, ...]:
    return (
        (each.hour or "")[:16].replace("T", " "),
        each.result,
        str(each.count),
        each.partner or "",
        each.fingerprint or "",
    )
