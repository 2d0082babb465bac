"""`gateway partner test`: try the link to a partner, or to all of them side by side."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Final

import click

from gateway.administration.site.settings import partner_of
from gateway.administration.views.words import bytes_of, within
from gateway.cli import output, tables
from gateway.cli.site import settings_of
from gateway.cli.tables import Column
from gateway.errors import GatewayError, UsageWrong

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gateway.administration.site.link_check import LinkReport, MailTrial, ServerTrial, Trial
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

    By mail: log in at both servers, and count the partner's mails that wait; nothing is sent. By SFTP that round is to write,
    fsync, look, rename and remove a small file `gateway-trial-....part`, which no gateway takes for anything. Nothing is left there: where our account may not remove files, as at another gateway, nothing is written, and
    the table says so. Each server of a partner that has several is tried. Exit status 69 where an upload, or collecting, would fail, with the reason and what to do; or where
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
    from gateway.administration.site.link_check import try_mail, try_servers  # noqa: PLC0415  # slow to import

    if known.link == "mail":
        _tell_mail(ctx, code, try_mail(settings, known), _alarm(settings, code), as_json=as_json)
        return
    trials, alarm = list(try_servers(settings, known)), _alarm(settings, code)
    if len(trials) == 1 and trials[0].error is not None:
        raise trials[0].error
    if as_json:
        _show_as_json(code, trials, alarm)
    for trial in trials:
        _tell_server(trial, several=len(trials) > 1, shown=not as_json)
    if alarm is not None:
        known_already = any(trial.fault and trial.fault[0] == alarm.code for trial in trials)
        output.say(f"{alarm.words}." + ("" if known_already else f" {alarm.remedy}"))
    if alarm is not None or any(trial.fault for trial in trials):
        ctx.exit(69)


def _show_as_json(code: str, trials: Sequence[ServerTrial], alarm: LaneAlarm | None) -> None:
    """One server as it always was; of several each with its address."""
    reports: list[dict[str, object]] = []
    for trial in trials:
        fault = dict(zip(("code", "reason", "remedy"), trial.fault or (None, None, None), strict=True))
        reports.append(
            {"address": trial.address, "usable": trial.fault is None, **fault}
            | ({} if trial.report is None else asdict(trial.report))
        )
    if len(trials) == 1 and trials[0].report is not None:
        report = trials[0].report
        output.show_json({"partner": code, **asdict(report), "usable": report.usable, "alarm": alarm})
        return
    usable = any(trial.fault is None for trial in trials)
    output.show_json({"partner": code, "servers": reports, "usable": usable, "alarm": alarm})


def _tell_server(trial: ServerTrial, *, several: bool, shown: bool) -> None:
    """What the trial of one server found; its address where the partner has several."""
    report, before = trial.report, f"{trial.address}: " if several else ""
    if report is None:
        code, reason, remedy = trial.fault or ("", "", "")
        output.say(f"{before}{within(reason)}.")
        output.say(f"{code}: {remedy}")
        return
    if shown:
        tables.show(_COLUMNS, _rows(trial.address if several else "", report))
    if report.failed is not None:
        output.say(f"{before}The link is there, but {report.verdict}.")
        output.say(f"{report.failed.code}: {report.failed.remedy}")
    if report.left_behind is not None:
        output.say(f"{before}{within(report.left_behind.reason)}. {report.left_behind.remedy}")


def _rows(address: str, report: LinkReport) -> list[tuple[str, str]]:
    rows = [("address", address)] if address else []
    rows += [
        ("server", report.server_version),
        ("host key", f"{report.host_key}, the pinned one"),
        ("cipher", report.cipher),
        ("logging in", f"{report.connect_seconds:.2f} s"),
        ("one answer", f"{report.answer_seconds * 1000:.0f} ms"),
        ("directory", f"{report.directory} ({'found' if report.directory_found else 'not found'})"),
        ("free", "not said" if report.free_bytes is None else f"{report.free_bytes // 1024**2} MiB"),
    ]
    return rows + [
        (step.name, f"{step.outcome}: {step.reason}" if step.reason else str(step.outcome)) for step in report.steps
    ]


def _tell_mail(ctx: click.Context, code: str, found: MailTrial, alarm: LaneAlarm | None, *, as_json: bool) -> None:
    if as_json:
        output.show_json({"partner": code, **asdict(found), "usable": True, "alarm": alarm})
    else:
        rows = [
            ("submission", f"logged in, {found.submission_seconds:.2f} s"),
            ("imap", f"logged in, {found.imap_seconds:.2f} s"),
            ("largest message", "not said" if found.server_max_bytes is None else bytes_of(found.server_max_bytes)),
            ("waiting", f"{found.waiting} mails of the partner's"),
        ]
        tables.show(_COLUMNS, rows)
    if alarm is not None:
        output.say(f"{alarm.words}. {alarm.remedy}")
        ctx.exit(69)


def _test_all(ctx: click.Context, settings: Settings, at_once: int, *, as_json: bool) -> None:
    """Every link with a server; who has none, or is stopped, is counted at the end."""
    from gateway.administration.site.link_check import try_links  # noqa: PLC0415  # slow to import

    partners = [each for each in settings.partners.values() if each.endpoint is not None or each.link == "mail"]
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
