"""`gateway referrals`: which referrals were answered, and which are outstanding, by authority, rule and age."""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Any, Final

import click

from gateway.cli import output, reading, tables
from gateway.cli.site import settings_of
from gateway.cli.tables import Column
from gateway.domain.calendar import day_of
from gateway.domain.referrals import Loop, Referral
from gateway.errors import UsageWrong
from gateway.ledger.queries import lanes
from gateway.ledger.queries import referrals as sent_referrals
from gateway.settings.model import SiteKind

_SHOWN: Final = 200
_AGES: Final = (14, 28, 42)
"""Where one class of age ends and the next begins, in days; six weeks is what a referral usually gives."""
_FIELDS: Final = (
    *("partner", "rms", "flow", "rule", "state", "age_days", "overdue", "sent", "reply_by", "transfer"),
    *("answered", "answered_by", "answer_transfer"),
)
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


@dataclass(frozen=True)
class _Wanted:
    partner: str | None
    rule: str | None
    older_than: int | None
    outstanding: bool

    def match(self, referral: Referral, now: float) -> bool:
        sending = referral.sending
        return (
            self.partner in (None, sending.partner)
            and (self.rule is None or self.rule in (sending.rule, *sending.rule.split("/")))
            and (self.older_than is None or referral.age_days(now) > self.older_than)
            and not (self.outstanding and referral.answer is not None)
        )


@click.command()
@click.option("--outstanding", is_flag=True, help="Only those without an answer, one by one.")
@click.option("--partner", metavar="CODE", help="Only those that went to this authority.")
@click.option("--rule", metavar="ID", help="Only those of this rule or scan: the whole id, or one side of its `/`.")
@click.option("--older-than", type=click.IntRange(min=0), metavar="DAYS", help="Only those of more than so many days.")
@click.option("--csv", "as_csv", is_flag=True, help="Print one line of CSV for each referral.")
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
    if as_csv and as_json:
        raise UsageWrong("Give --csv or --json, not both.")
    settings = settings_of(ctx)
    if settings.site.kind is not SiteKind.DWP:
        raise UsageWrong("Referrals are followed at DWP's site; here, `gateway transfers --flow referral` lists them.")
    now = time.time()
    with reading.opened(settings) as ledger, ledger.read() as connection:
        partners = {*settings.partners, *lanes.known_partners(connection)} if partner is None else {partner}
        loop = sent_referrals.loop(connection, partners)
    wanted = _Wanted(partner, rule, older_than, outstanding)
    found = [referral for referral in loop.referrals if wanted.match(referral, now)]
    found.sort(key=lambda each: (each.sending.partner, each.sending.rule, each.sending.sent, each.sending.rms))
    if as_json:
        output.show_json(_data(found, loop, now))
    elif as_csv:
        _show_csv(found, now)
    else:
        _show(found, loop, now, each=outstanding)


def _data(found: Sequence[Referral], loop: Loop, now: float) -> dict[str, Any]:
    groups = [_group(partner, rule, list(each), now) for (partner, rule), each in groupby(found, _kind)]
    return {
        "referrals": [_line(referral, now) for referral in found],
        "groups": groups,
        "totals": {**_group(None, None, found, now), "answers_unasked": len(loop.unasked), "unlisted": loop.unlisted},
    }


def _kind(referral: Referral) -> tuple[str, str]:
    return referral.sending.partner, referral.sending.rule


def _line(referral: Referral, now: float) -> dict[str, Any]:
    sending, answer = referral.sending, referral.answer
    return {
        "partner": sending.partner,
        "rms": sending.rms,
        "flow": sending.flow,
        "rule": sending.rule,
        "state": "outstanding" if answer is None else "answered",
        "age_days": referral.age_days(now),
        "overdue": referral.overdue(day_of(now)),
        "sent": reading.moment(sending.sent),
        "reply_by": _iso(sending.reply_by),
        "transfer": sending.transfer,
        "answered": None if answer is None else reading.moment(answer.at),
        "answered_by": None if answer is None else answer.kind.value,
        "answer_transfer": None if answer is None else answer.transfer,
    }


def _iso(day: date | None) -> str | None:
    return None if day is None else day.isoformat()


def _group(partner: str | None, rule: str | None, found: Sequence[Referral], now: float) -> dict[str, Any]:
    """How many there are, and the outstanding ones by age."""
    outstanding = [referral for referral in found if referral.answer is None]
    ages = [0] * (len(_AGES) + 1)
    for referral in outstanding:
        ages[sum(referral.age_days(now) >= end for end in _AGES)] += 1
    return {
        "partner": partner,
        "rule": rule,
        "sent": len(found),
        "answered": len(found) - len(outstanding),
        "outstanding": len(outstanding),
        "outstanding_by_age": dict(zip(("0-13", "14-27", "28-41", "42+"), ages, strict=True)),
        "overdue": sum(referral.overdue(day_of(now)) for referral in outstanding),
        "oldest_days": max((referral.age_days(now) for referral in outstanding), default=None),
    }


def _show_csv(found: Sequence[Referral], now: float) -> None:
    writer = csv.DictWriter(sys.stdout, _FIELDS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_line(referral, now) for referral in found)


def _show(found: Sequence[Referral], loop: Loop, now: float, *, each: bool) -> None:
    """For people: one by one, or summed up by authority and rule; the totals on stderr."""
    totals = _group(None, None, found, now)
    if found and each:
        tables.show(_LINES, list(_cells(found[:_SHOWN], now)))
        if len(found) > _SHOWN:
            output.say(f"the first {_SHOWN} of {len(found)}; --csv and --json have all of them")
    elif found:
        groups = [_group(partner, rule, list(members), now) for (partner, rule), members in groupby(found, _kind)]
        tables.show(_GROUPS, [_counted(group) for group in (*groups, {**totals, "partner": "total", "rule": ""})])
    said = f"{totals['sent']} referrals: {totals['answered']} answered, {totals['outstanding']} outstanding"
    output.say(f"{said}, {totals['overdue']} of these overdue")
    if loop.unasked:
        output.say(f"{len(loop.unasked)} answers name a number that was never sent to their authority")
    if loop.unlisted:
        output.say(f"{loop.unlisted} records lie in files of too many records to follow each: send smaller files")


def _cells(found: Sequence[Referral], now: float) -> Iterator[tuple[str, ...]]:
    for referral in found:
        line = _line(referral, now)
        yield (
            line["partner"],
            line["rule"],
            str(line["age_days"]),
            line["rms"],
            line["reply_by"] or "",
            "yes" if line["overdue"] else "",
            tables.brief(line["sent"]),
            line["transfer"],
        )


def _counted(group: Mapping[str, Any]) -> tuple[str, ...]:
    numbers = (group["sent"], group["answered"], group["outstanding"], *group["outstanding_by_age"].values())
    return (group["partner"], group["rule"], *map(str, numbers), str(group["overdue"]))
