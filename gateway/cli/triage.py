"""`gateway triage report`: how much of what came, or went, repeats what came before."""

from __future__ import annotations

import time

import click

from gateway.administration.access import reading
from gateway.administration.views.triage import TriageLine, triage_report
from gateway.cli import output, tables
from gateway.cli.since import earliest
from gateway.cli.site import settings_of
from gateway.cli.tables import Column

_COLUMNS = (
    Column("WAY"),
    Column("PARTNER"),
    Column("FLOW"),
    Column("OFFICE"),
    Column("SYSTEM"),
    *(Column(label, right=True) for label in ("FILES", "RECORDS", "REPEATS", "SUPERSEDED", "OUT OF DATE")),
    *(Column(f"{label} BY RECEIPT", right=True, wide=True) for label in ("REPEATS", "SUPERSEDED", "OUT OF DATE")),
)


@click.group()
def triage() -> None:
    """Look at what repeats what came before, is superseded, or is out of date.

    \b
    Example:
      gateway --home /srv/gateway triage report
    """


@triage.command()
@click.option("--since", metavar="TIME", help="Only what was submitted or came since: a time, a date, or 7d, 12h ago.")
@output.as_csv
@output.as_json
@click.pass_context
def report(ctx: click.Context, since: str | None, *, as_csv: bool, as_json: bool) -> None:
    """Count what arrived, and of how many records triage says something: by partner, flow, and the office and system that made it.

    Of what went out, BY RECEIPT is what the partners' gateways said, by their signed receipts.

    \b
    Example:
      gateway --home /srv/gateway triage report --since 30d --csv
    """
    settings = settings_of(ctx)
    with reading(settings) as connection:
        found = triage_report(settings, connection, earliest(since, time.time()) if since else 0.0)
    if as_json:
        output.show_json(found)
    elif as_csv:
        output.show_csv(TriageLine, found)
    elif found:
        tables.show(_COLUMNS, [tuple(map(str, vars(line).values())) for line in found])
    if not as_json and not as_csv:
        told = sum(line.repeats + line.told_repeats for line in found)
        output.say(
            f"{sum(line.records for line in found)} records in {sum(line.files for line in found)} files"
            if found
            else "Nothing has arrived."
        )
        if told:
            output.say("docs/operators/triage.md says what to do about records that repeat others.")
