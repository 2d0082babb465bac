"""`gateway partner test`: try the link to a partner, or to all of them side by side."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from gateway.administration.site.settings import partner_of
from gateway.administration.views.words import within
from gateway.cli import output, tables
from gateway.cli.site import settings_of
from gateway.cli.tables import Column
from gateway.errors import GatewayError, UsageWrong

if TYPE_CHECKING:
    from gateway.administration.site.link_check import Trial
    from gateway.administration.views.records import LaneAlarm
    from gateway.settings.model import Settings

_COLUMNS: Final = (Column("WHAT"), Column("FOUND"))
_ALL: Final = (Column("PARTNER"), Column("SECONDS", right=True), Column("FOUND"), Column("REASON", gives_way=True))


@click.command()
@click.argument("code", metavar="[CODE]", default="")
@click.option("--all", "every", is_flag=True, help="Test the links to all partners that have a server.")
@click.option(
    "--at-once",
    type=click.IntRange(1, 64),
    default=16,
    show_default=True,
    metavar="NUMBER",
    help="With --all: so many side by side.",
)
@output.as_json
@click.pass_context
def test(ctx: click.Context, code: str, *, at_once: int, every: bool, as_json: bool) -> None:
    """Test the link to the partner CODE, or to --all: log in, look at the directory, try the whole round of an upload.

    That round is to write, fsync, look, rename and remove a small file `gateway-trial-....part`, which no gateway takes for
    anything. Nothing is left there: where our account may not remove files, as at another gateway, nothing is written, and
    the table says so. Exit status 69 where an upload, or collecting, would fail, with the reason and what to do; or where
    uploads have failed again and again.

    \b
    Example:
      gateway --home /srv/gateway partner test E09000030
      gateway --home /srv/gateway partner test --all
    """
    settings = settings_of(ctx)
    if every is bool(code):
        raise UsageWrong("Name a partner, or give --all.")
    if every:
        _test_all(ctx, settings, at_once, as_json=as_json)
        return
    known = partner_of(settings, code)
    from gateway.administration.site.link_check import try_link  # noqa: PLC0415  # slow to import

    report, alarm = try_link(settings, known), _alarm(settings, code)
    if as_json:
        output.show_json({"partner": code, **asdict(report), "usable": report.usable, "alarm": alarm})
    else:
        rows = [
            ("server", report.server_version),
            ("host key", f"{report.host_key}, the pinned one"),
            ("cipher", report.cipher),
            ("logging in", f"{report.connect_seconds:.2f} s"),
            ("one answer", f"{report.answer_seconds * 1000:.0f} ms"),
            ("directory", f"{report.directory} ({'found' if report.directory_found else 'not found'})"),
            ("free", "not said" if report.free_bytes is None else f"{report.free_bytes // 1024**2} MiB"),
        ]
        rows += [
            (step.name, f"{step.outcome}: {step.reason}" if step.reason else str(step.outcome)) for step in report.steps
        ]
        tables.show(_COLUMNS, rows)
    failed, left = report.failed, report.left_behind
    if failed is not None:
        output.say(f"The link is there, but {report.verdict}.")
        output.say(f"{failed.code}: {failed.remedy}")
    if left is not None:
        output.say(f"{within(left.reason)}. {left.remedy}")
    if alarm is not None:
        known_already = failed is not None and failed.code == alarm.code
        output.say(f"{alarm.words}." + ("" if known_already else f" {alarm.remedy}"))
    if not report.usable or alarm is not None:
        ctx.exit(69)


def _test_all(ctx: click.Context, settings: Settings, at_once: int, *, as_json: bool) -> None:
    """Every link with a server; who has none, or is stopped, is counted at the end."""
    from gateway.administration.site.link_check import try_links  # noqa: PLC0415  # slow to import

    partners = [partner for partner in settings.partners.values() if partner.endpoint is not None]
    trials = try_links(settings, partners, at_once)
    with click.progressbar(trials, len(partners), "testing", file=sys.stderr) as shown:
        found = sorted(shown, key=lambda trial: (trial.usable, trial.partner))
    if as_json:
        output.show_json(found)
    elif found:
        tables.show(_ALL, [_cells(trial) for trial in found])
    bad = sum(not trial.usable for trial in found)
    left_out = len(settings.codes) - len(found)
    output.say(f"{len(found) - bad} of {len(found)} links work; {left_out} partners have no server or are stopped.")
    if bad:
        ctx.exit(69)


def _cells(trial: Trial) -> tuple[str, ...]:
    return trial.partner, f"{trial.seconds:.1f}", "works" if trial.usable else trial.code or "", trial.reason or ""


def _alarm(settings: Settings, code: str) -> LaneAlarm | None:
    """What keeps failing in the lane to the partner, whatever the trial shows."""
    from gateway.administration.site.link_check import lane_alarm  # noqa: PLC0415  # slow to import

    try:
        return lane_alarm(settings, code)
    except GatewayError as error:
        output.say(f"What the lane did so far is not known: {error.reason}")
        return None
