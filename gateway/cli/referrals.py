"""`gateway referrals`: which referrals were answered, and which are outstanding, by authority, rule and age."""

from __future__ import annotations

import time
from typing import Final

import click

from gateway.administration.access import reading
from gateway.administration.views.referrals import (
    ReferralFilter,
    ReferralGroup,
    ReferralList,
    ReferralView,
    require_referrals,
)
from gateway.administration.views.referrals import referrals as list_referrals
from gateway.cli import output, tables
from gateway.cli.site import settings_of
from gateway.cli.tables import Column

_SHOWN: Final = 200
_GROUPS: Final = (
    Column("AUTHORITY"),
    Column("RULE"),
    Column("SENT", right=True),
    Column("ANSWERED", right=True),
    Column("OUTSTANDING", right=True),
    *(Column(label, right=True) for label in ("0-13 D", "14-27 D", "28-41 D", "42+ D")),
    Column("OVERDUE", right=True),
)
_LINES: Final = (
    Column("AUTHORITY"),
    Column("RULE"),
    Column("AGE", right=True),
    Column("RMS"),
    Column("REPLY BY"),
    Column("OVERDUE"),
    Column("SENT (UTC)", wide=True),
    Column("TRANSFER", wide=True),
)


@click.command()
@click.option("--outstanding", is_flag=True, help="Only those without an answer, one by one.")
@click.option("--partner", metavar="CODE", help="Only those that went to this authority.")
@click.option("--rule", metavar="ID", help="Only those of this rule or scan: the whole id, or one side of its `/`.")
@click.option("--older-than", type=click.IntRange(min=0), metavar="DAYS", help="Only those of more than so many days.")
@output.as_csv
@output.as_json
@click.pass_context
def referrals(
    ctx: click.Context,
    partner: str | None,
    rule: str | None,
    older_than: int | None,
    *,
    outstanding: bool,
    as_csv: bool,
    as_json: bool,
) -> None:
    """List the referrals and scan results that authorities have receipted, and whether they have answered them.

    An answer is an outcome, or an R record of the monthly extract, that names the referral's RMS number. Ages are in
    whole days, up to the answer or up to now. This is DWP's view: an authority's site has none.

    \b
    Example:
      gateway --home /srv/gateway referrals
      gateway --home /srv/gateway referrals --outstanding --older-than 42 --csv
    """
    settings = settings_of(ctx)
    require_referrals(settings)
    wanted = ReferralFilter(partner, rule, older_than, outstanding)
    with reading(settings) as connection:
        found = list_referrals(settings, connection, wanted, time.time())
    if as_json:
        output.show_json(found)
    elif as_csv:
        output.show_csv(ReferralView, found.referrals)
    else:
        _show(found, each=outstanding)


def _show(found: ReferralList, *, each: bool) -> None:
    """For people: one by one, or summed up by authority and rule; the totals on stderr."""
    totals = found.totals
    if found.referrals and each:
        tables.show(_LINES, [_cells(referral) for referral in found.referrals[:_SHOWN]])
        if len(found.referrals) > _SHOWN:
            output.say(f"the first {_SHOWN} of {len(found.referrals)}; --csv and --json have all of them")
    elif found.referrals:
        groups = [(str(group.partner), str(group.rule), *_counted(group)) for group in found.groups]
        tables.show(_GROUPS, [*groups, ("total", "", *_counted(totals))])
    said = f"{totals.sent} referrals: {totals.answered} answered, {totals.outstanding} outstanding"
    output.say(f"{said}, {totals.overdue} of these overdue")
    if totals.answers_unasked:
        output.say(f"{totals.answers_unasked} answers name a number that was never sent to their authority")
    if totals.unlisted:
        output.say(f"{totals.unlisted} records lie in files of too many records to follow each: send smaller files")


def _cells(line: ReferralView) -> tuple[str, ...]:
    return (
        line.partner,
        line.rule,
        str(line.age_days),
        line.rms,
        line.reply_by or "",
        "yes" if line.overdue else "",
        tables.brief(line.sent),
        line.transfer,
    )


def _counted(group: ReferralGroup) -> tuple[str, ...]:
    numbers = (group.sent, group.answered, group.outstanding, *group.outstanding_by_age.values(), group.overdue)
    return tuple(map(str, numbers))
