"""What `gateway partner add DIR` and `partner import` share: the orders are checked with progress, and answered in a table."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Final

import click

from gateway.administration.site import bulk
from gateway.administration.site.bulk import Answer, Order, Outcome, Planned
from gateway.administration.site.settings import load
from gateway.cli import output, tables
from gateway.cli.site import log_of
from gateway.cli.tables import Column
from gateway.domain.decision import Decision
from gateway.errors import CardRefused
from gateway.logs import safe_text
from gateway.settings.model import Settings

_COLUMNS: Final = (Column("WHERE"), Column("PARTNER"), Column("BECOMES"), Column("WHY", gives_way=True))


def planned(
    settings: Settings,
    orders: Sequence[Order],
    now: float,
    *,
    fingerprints: Mapping[str, str] = MappingProxyType({}),
    unlisted: bool = False,
) -> Sequence[Planned]:
    """Every order checked; a bar shows how far that is where a person waits for it."""
    found = bulk.plan(settings, orders, now, fingerprints=fingerprints, unlisted=unlisted)
    with click.progressbar(found, len(orders), "checking", file=sys.stderr) as shown:
        return list(shown)


def finish(
    ctx: click.Context,
    settings: Settings,
    found: Sequence[Planned],
    decision: Decision,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Carry out what was planned, unless it is only tried, and say what became of each; exit status 65 where one was bad."""
    if not dry_run:
        bulk.carry_out(settings, log_of(settings), found, decision)
    answers = [each.answer for each in found]
    if as_json:
        output.show_json({"dry_run": dry_run, "answers": [asdict(each) for each in answers]})
    elif answers:
        tables.show(_COLUMNS, [_cells(each) for each in answers])
    counts = Counter(each.outcome for each in answers)
    total = ", ".join(f"{counts[each]} {each}" for each in Outcome if counts[each]) or "nothing to do"
    output.say(f"{total}; {'nothing was changed.' if dry_run else 'done.'}")
    if not dry_run:
        _say_what_is_next(settings, answers)
    if not all(each.good for each in answers):
        ctx.exit(CardRefused.exit_status)


def _say_what_is_next(settings: Settings, answers: Sequence[Answer]) -> None:
    if any(each.outcome in (Outcome.ADDED, Outcome.CHANGED) for each in answers):
        output.say("A gateway that runs takes it over at `gateway reload`.")
    for code, stopped in load(settings.home).stopped.items():
        for fault in stopped.faults:
            output.say(f"Partner {code} is stopped: {fault}")


def _cells(each: Answer) -> tuple[str, ...]:
    who = " ".join(part for part in (each.code, each.name and f"({each.name})") if part)
    why = safe_text(each.reason.replace("\n", "; "))
    if each.outcome is Outcome.UNCONFIRMED:
        why = output.in_fours(each.fingerprint or "")
    elif each.outcome is Outcome.CHANGED:
        changes = "; ".join(line for line in each.change if line[0] in "+-" and line[:3] not in ("+++", "---"))
        why = "; ".join(part for part in (why, changes) if part)
    return safe_text(each.where), safe_text(who), each.outcome, why
