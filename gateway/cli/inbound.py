"""`gateway inbound`: what was delivered and not answered by the back office yet, and what came in about one claim."""

from __future__ import annotations

import os
import time

import click

from gateway.administration.access import reading
from gateway.administration.views.inbound import PendingFilter, PendingGroup, PendingTransfer, pending_groups
from gateway.administration.views.inbound import pending as list_pending
from gateway.administration.views.triage import CaseDocument
from gateway.administration.views.triage import case as find_case
from gateway.cli import output, tables
from gateway.cli.site import settings_of
from gateway.cli.tables import Column
from gateway.settings.secrets import secrets_of
from gateway.settings.triage_key import read_triage_key

_COLUMNS = (
    Column("FLOW"),
    Column("PARTNER"),
    Column("AGE", right=True),
    Column("NAME", gives_way=True),
    Column("ID"),
    Column("DELIVERED (UTC)", wide=True),
)
_CASE = (
    Column("FLOW"),
    Column("PARTNER"),
    Column("STATE"),
    Column("RECORDS"),
    Column("NAME", gives_way=True),
    Column("ID"),
)
_GROUP = (
    Column("FLOW"),
    Column("PARTNER"),
    Column("WAIT", right=True),
    Column("OLDEST", right=True),
    Column("AGREED", right=True),
    Column("NAME OF THE OLDEST", gives_way=True),
)
_HOUR = 3600.0
_SHOWN = 100
"""So many are listed one by one where a person looks."""


@click.group()
def inbound() -> None:
    """Look at what came in, as the back office sees it.

    \b
    Example:
      gateway --home /srv/gateway inbound pending
    """


@inbound.command()
@click.option(
    "--older-than", type=click.FloatRange(min=0), metavar="HOURS", default=0.0, help="Only what has waited for longer."
)
@click.option("--flow", metavar="FLOW", help="Only of this flow.")
@click.option("--partner", metavar="CODE", help="Only from this partner.")
@click.option("--totals", is_flag=True, help="Only how many wait, and the oldest, by flow and partner.")
@output.as_csv
@output.as_json
@click.pass_context
def pending(
    ctx: click.Context,
    older_than: float,
    flow: str | None,
    partner: str | None,
    *,
    totals: bool,
    as_csv: bool,
    as_json: bool,
) -> None:
    """Tell what was delivered and not answered: how much, how old the oldest is, and what has waited longest.

    By flow and partner. The back office answers with NAME.accepted or NAME.rejected, or with the ID in the place of the
    name, in spool/outcomes. Where `answer_days` of a flow says within how many days, what is older is an alarm.

    \b
    Example:
      gateway --home /srv/gateway inbound pending --older-than 24
      gateway --home /srv/gateway inbound pending --totals --json
    """
    settings, now = settings_of(ctx), time.time()
    wanted, data = PendingFilter(older_than * _HOUR, flow, partner), as_csv or as_json
    with reading(settings) as connection:
        groups = pending_groups(settings, connection, wanted, now) if totals or not data else ()
        found = () if totals else list_pending(connection, wanted, now, None if data else _SHOWN)
    if as_json:
        output.show_json(groups if totals else found)
        return
    if as_csv and totals:
        output.show_csv(PendingGroup, groups)
        return
    if as_csv:
        output.show_csv(PendingTransfer, found)
        return
    if groups:
        tables.show(_GROUP, [_group_cells(each) for each in groups])
    if found:
        click.echo()
        tables.show(_COLUMNS, [_cells(each) for each in found])
    number = sum(each.number for each in groups)
    left = (
        f", {number - len(found)} of them not shown: `--csv` and `--json` have all" if 0 < len(found) < number else ""
    )
    output.say(f"{number} delivered and not answered{left}" if groups else "Nothing waits for an answer.")


def _group_cells(each: PendingGroup) -> tuple[str, ...]:
    agreed = f"{each.answer_days} d{' (passed)' if each.overdue else ''}" if each.answer_days else ""
    return each.flow, each.partner, str(each.number), _age(each.age_seconds), agreed, each.oldest_name


@inbound.command()
@click.argument("reference")
@output.as_csv
@output.as_json
@click.pass_context
def case(ctx: click.Context, reference: str, *, as_csv: bool, as_json: bool) -> None:
    """List what came in about the claim of that REFERENCE: claims, notices and referrals that name it, and files sent under it.

    What documents say is not kept: only numbers made with the key of triage, which this command has to be able to read. What came
    before there was triage is not found by its content, nor what a flow with `triage = "off"` brings.

    \b
    Example:
      gateway --home /srv/gateway inbound case HB/1234567
    """
    settings = settings_of(ctx)
    secrets = secrets_of(settings.home, os.environ)
    key = read_triage_key(secrets) if secrets.triage.exists() else None
    with reading(settings) as connection:
        found = find_case(connection, key, reference)
    if as_json:
        output.show_json(found)
        return
    if as_csv:
        output.show_csv(CaseDocument, found)
        return
    if found:
        tables.show(_CASE, [_document(each) for each in found])
    output.say(f"{len(found)} documents" if found else "Nothing that is remembered names that claim.")


def _document(each: CaseDocument) -> tuple[str, ...]:
    records = ", ".join(map(str, each.records))
    return each.flow, each.partner, str(each.state), records, each.delivered_as or each.name, each.id


def _cells(each: PendingTransfer) -> tuple[str, ...]:
    return (
        each.flow,
        each.partner,
        _age(each.age_seconds),
        each.delivered_as or each.name,
        each.id,
        tables.brief(each.delivered),
    )


def _age(seconds: int) -> str:
    """Days and hours, hours and minutes, or minutes."""
    minutes = seconds // 60
    hours, days = minutes // 60, minutes // 1440
    if days:
        return f"{days} d {hours % 24} h"
    return f"{hours} h {minutes % 60} min" if hours else f"{minutes} min"
