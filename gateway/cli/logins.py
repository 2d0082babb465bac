"""`gateway logins`: who logged in at the SFTP server, and who tried to."""

from __future__ import annotations

import time
from typing import Any, Final

import click

from gateway.cli import output, reading, tables
from gateway.cli.since import earliest
from gateway.cli.site import settings_of
from gateway.cli.tables import Column
from gateway.ledger.queries.logins import ACCEPTED, LOST, Recorded, recorded

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
@output.as_json
@click.pass_context
def logins(ctx: click.Context, partner: str | None, since: str, *, as_json: bool) -> None:
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
    with reading.opened(settings) as ledger, ledger.read() as connection:
        found = list(recorded(connection, moment, partner))
    if as_json:
        output.show_json([_data(each) for each in found])
        return
    if found:
        tables.show(_COLUMNS, [_cells(each) for each in found[-_SHOWN:]])
    if len(found) > _SHOWN:
        output.say(f"the last {_SHOWN} of {len(found)} lines; --json has all of them")
    accepted = sum(each.count for each in found if each.event == ACCEPTED)
    refused = sum(each.count for each in found if each.event not in (ACCEPTED, LOST))
    output.say(f"{accepted} accepted, {refused} refused")
    if not settings.sftp_server.managed:
        output.say("this site's SFTP server is not the gateway's: its log-ins are in that server's own log")


def _data(each: Recorded) -> dict[str, Any]:
    return {
        "hour": each.hour or None,
        "result": _result(each),
        "count": each.count,
        "partner": each.partner,
        "fingerprint": each.fingerprint,
    }


def _result(each: Recorded) -> str:
    return {ACCEPTED: "accepted", LOST: "lost"}.get(each.event) or each.code or ""


def _cells(each: Recorded) -> tuple[str, ...]:
    return (
        each.hour[:16].replace("T", " "),
        _result(each),
        str(each.count),
        each.partner or "",
        each.fingerprint or "",
    )
