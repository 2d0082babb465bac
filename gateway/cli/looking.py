"""`gateway checks` and `gateway incidents`: to look, without a browser. The console decides."""

from __future__ import annotations

from typing import Final

import click

from gateway.cli import output, tables
from gateway.cli.site import settings_of
from gateway.cli.tables import Column

_CHECKS: Final = (
    Column("CHECK"),
    Column("STATE"),
    Column("USER"),
    Column("DRAWN"),
    Column("DECIDED BY"),
    Column("SUPPORTED"),
    Column("VALIDATED BY", wide=True),
)
_INCIDENTS: Final = (
    Column("INCIDENT"),
    Column("KIND"),
    Column("STATE"),
    Column("USER"),
    Column("OPENED"),
    Column("OPENED BY"),
    Column("ENTRIES", right=True),
    Column("OUTCOME"),
    Column("CENTRAL", wide=True),
)
_SAYS: Final = {True: "yes", False: "no", None: ""}


@click.command()
@click.option("--all", "decided", is_flag=True, help="The newest 500 of all, decided ones among them.")
@output.as_json
@output.as_csv
@click.pass_context
def checks(ctx: click.Context, *, decided: bool, as_json: bool, as_csv: bool) -> None:
    """List the management checks that nobody has decided yet, the oldest first. Names and cases are not shown.

    \b
    Example:
      gateway --home /srv/gateway checks
      gateway --home /srv/gateway checks --all --json
    """
    from gateway.administration.access import reading  # noqa: PLC0415  # slow to import
    from gateway.administration.looking import checking  # noqa: PLC0415  # slow to import

    with reading(settings_of(ctx)) as connection:
        found = checking.listed(connection, decided=decided)
    if as_json:
        output.show_json(found)
    elif as_csv:
        output.show_csv(checking.CheckView, found)
    elif not found:
        output.say("No check was drawn yet." if decided else "No check is outstanding.")
    else:
        rows = [
            (
                each.id,
                each.state,
                each.user,
                tables.brief(each.drawn),
                each.decided_by or "",
                _SAYS[each.supported],
                each.validated_by or "",
            )
            for each in found
        ]
        tables.show(_CHECKS, rows)


@click.command()
@click.option("--all", "closed", is_flag=True, help="The newest 500 of all, closed ones among them.")
@output.as_json
@output.as_csv
@click.pass_context
def incidents(ctx: click.Context, *, closed: bool, as_json: bool, as_csv: bool) -> None:
    """List the incidents that are open, the newest first. What people wrote about them is not shown.

    \b
    Example:
      gateway --home /srv/gateway incidents
      gateway --home /srv/gateway incidents --all --csv
    """
    from gateway.administration.access import reading  # noqa: PLC0415  # slow to import
    from gateway.administration.looking import investigating  # noqa: PLC0415  # slow to import

    with reading(settings_of(ctx)) as connection:
        found = investigating.listed(connection, closed=closed)
    if as_json:
        output.show_json(found)
    elif as_csv:
        output.show_csv(investigating.IncidentView, found)
    elif not found:
        output.say("There was no incident yet." if closed else "No incident is open.")
    else:
        rows = [
            (
                each.id,
                each.kind,
                each.state,
                each.user or "",
                tables.brief(each.opened),
                each.opened_by,
                str(each.entries),
                each.outcome or "",
                _SAYS[each.central],
            )
            for each in found
        ]
        tables.show(_INCIDENTS, rows)
