"""`gateway validate`: would these files be accepted? Read by the same readers as the gateway's, with or without a site."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import click

from gateway.cli import output
from gateway.cli.site import settings_of
from gateway.cli.words import exceptions
from gateway.domain.calendar import day_of
from gateway.domain.extract_name import FLOW as EXTRACT
from gateway.domain.extract_name import authorities_named
from gateway.domain.redirect import FLOW as REDIRECT
from gateway.errors import DiskFailed, FileNameRefused, FileTooLarge, NotPermitted, SiteMissing, UsageWrong
from gateway.flows.catalog import FLOWS, routes
from gateway.logs import safe_text
from gateway.settings.authorities import listed
from gateway.settings.flow_settings import DEFAULT_FLOWS, LaidSettings
from gateway.settings.model import Settings, SiteKind, Validation
from gateway.settings.resources import resource
from gateway.spool.names import check_name
from gateway.stages.inspection import other_authority, too_many, wrong_authority
from gateway.validation.contract import Finding, Report
from gateway.validation.exceptions import tolerated
from gateway.validation.plan import with_authorities
from gateway.validation.sandbox.pool import Crash, Job, Sandbox

_DATA: Final = 65
_WORKERS: Final = 2


@click.command()
@click.argument("flow", type=click.Choice(list(FLOWS)), metavar="FLOW")
@click.argument("files", metavar="FILE...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--to", "addressee", metavar="CODE", help="The authority that the files are for: do they name it?")
@click.option(
    "--limit", type=click.IntRange(min=0), default=20, show_default=True, metavar="N", help="Findings a file."
)
@click.option(
    "--test-numbers/--no-test-numbers",
    default=None,
    help="Let made-up National Insurance numbers pass, or not.  [default: as the site says]",
)
@output.as_json
@click.pass_context
def validate(
    ctx: click.Context,
    flow: str,
    files: Sequence[Path],
    addressee: str | None,
    limit: int,
    *,
    test_numbers: bool | None,
    as_json: bool,
) -> None:
    """Would files of this FLOW be accepted? What is wrong with them, by line or record, never what they say.

    Nothing is submitted. Exit status 0 if every file would be accepted, with exceptions in some of its records where the
    flow allows that, else 65. No site is needed; with one, its settings count, and the authority that a file names has to
    be one that it could go to. An extract's name says which authority it is of.

    \b
    Example:
      gateway validate claim claims-1.xml claims-2.xml --test-numbers
      gateway --home /srv/gateway validate extract "hb9991_SHBE_555086k May 2013.csv"
    """
    settings = _settings(ctx)
    for path in files:
        _require_readable(path)
    allowed = test_numbers
    if allowed is None:
        allowed = (Validation() if settings is None else settings.validation).test_numbers
    schemas = resource("schemas")
    links = LaidSettings().links if settings is None else settings.links
    plans = {flow: FLOWS[flow].plan(schemas, allowed, links)}
    if flow == REDIRECT and settings is not None:
        plans[flow] = with_authorities(plans[flow], settings.authorities.added)
    percent = (DEFAULT_FLOWS if settings is None else settings.flows)[flow].tolerated_percent
    reports: dict[Path, Report] = {}
    with Sandbox(plans, min(_WORKERS, len(files))) as readers:
        for job, result in readers.validate([Job(str(at), flow, path) for at, path in enumerate(files)]):
            path = files[int(job.key)]
            reports[path] = _complete(settings, flow, path, _report(result), addressee)
    if as_json:
        output.show_json([_data(path, reports[path], limit, percent) for path in files])
    else:
        for path in files:
            for line in _lines(path, reports[path], limit, percent):
                click.echo(line)
    wrong = sum(not _passes(reports[path], percent) for path in files)
    output.say(f"{len(files) - wrong} of {len(files)} would be accepted.")
    if wrong:
        ctx.exit(_DATA)


def _settings(ctx: click.Context) -> Settings | None:
    """The settings of the site that was named, None where none was."""
    if ctx.find_root().obj is None:
        return None
    try:
        return settings_of(ctx)
    except SiteMissing:
        return None


def _require_readable(path: Path) -> None:
    """Refuse what is no file that could be read; what is wrong inside one is a finding."""
    shown = safe_text(str(path))
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise UsageWrong(f"There is no file {shown}.") from error
    except PermissionError as error:
        raise NotPermitted(f"You may not read {shown}.") from error
    except OSError as error:
        raise DiskFailed(f"{shown} cannot be read: {error.strerror}.") from error
    os.close(descriptor)
    if not path.is_file():
        raise UsageWrong(f"{shown} is no file.")


def _report(result: Report | Crash) -> Report:
    """What a reader said; a file that ended its reader would be held."""
    if isinstance(result, Report):
        return result
    return Report(None, (Finding("poison-file", "file", f"reading it ended its reader: {result.reason}"),), 1)


def _complete(settings: Settings | None, flow: str, path: Path, report: Report, addressee: str | None) -> Report:
    """The report, with what only the name of the file, its addressee or the site can tell."""
    try:
        check_name(path.name)
    except FileNameRefused as error:
        finding = Finding(error.code, "name", error.reason)
        report = replace(report, findings=(finding, *report.findings), total=report.total + 1)
    most = (DEFAULT_FLOWS if settings is None else settings.flows)[flow].max_bytes
    if (size := path.stat().st_size) > most:
        finding = Finding(FileTooLarge.code, "file", f"The file has {size} bytes; its flow allows {most}.")
        report = replace(report, findings=(finding, *report.findings), total=report.total + 1)
    if flow == EXTRACT:
        return _of_authority(settings, path.name, report)
    if FLOWS[flow].ends[0] is not SiteKind.DWP:
        return report
    # Where a flow goes several ways, only DWP's site knows without being told whom its files may be for.
    if addressee is None and settings is not None and _is_certain(settings, flow):
        addressee = _addressee(settings, flow, report)
    return report if addressee is None else wrong_authority(report, addressee, _comparison(settings))


def _of_authority(settings: Settings | None, name: str, report: Report) -> Report:
    """The report on an extract, which an authority sends for itself; at DWP's site any that may send one would do."""
    named = authorities_named(name)
    report = replace(report, facts={**report.facts, **({"authority": named[0]} if named else {})})
    if settings is None or not named:
        return report
    senders = [settings.site.code]
    if settings.site.kind is SiteKind.DWP:
        senders = sorted(routes(settings).incoming.get(EXTRACT, frozenset()))
    same = _comparison(settings)
    found = [other_authority(report, EXTRACT, name, sender, same) for sender in senders]
    return next((each for each in found if each.total == report.total), found[0]) if found else report


def _passes(report: Report, percent: float) -> bool:
    """Whether a file would be accepted, with exceptions or without."""
    return report.valid or tolerated(report, percent)


def _comparison(settings: Settings | None) -> Callable[[str, str], bool]:
    """How codes of authorities are compared today: by the site's table where there is a site."""
    known = listed() if settings is None else settings.authorities
    return partial(known.same, on=day_of(time.time()))


def _is_certain(settings: Settings, flow: str) -> bool:
    return len(FLOWS[flow].ways) == 1 or settings.site.kind is SiteKind.DWP


def _addressee(settings: Settings, flow: str, report: Report) -> str | None:
    """At an authority's site the site itself; at DWP's any partner would do that the file names."""
    if settings.site.kind is SiteKind.LA:
        return settings.site.code
    partners = sorted(routes(settings).outgoing.get(flow, frozenset()))
    named, same = report.facts.get("authority", ""), _comparison(settings)
    return None if not partners or any(same(named, partner) for partner in partners) else partners[0]


def _data(path: Path, report: Report, limit: int, percent: float) -> dict[str, Any]:
    """One file: `valid` if it would be accepted, then with so many `exceptions` in so many records, or without."""
    odd = tolerated(report, percent)
    return {
        "file": str(path),
        "valid": _passes(report, percent),
        "exceptions": {"count": report.total, "records": report.faulty} if odd else None,
        "schema": report.schema,
        "total": report.total,
        "findings": [asdict(finding) for finding in report.findings[:limit]],
        "facts": dict(report.facts),
    }


def _lines(path: Path, report: Report, limit: int, percent: float) -> Iterator[str]:
    shown = safe_text(str(path))
    authority = report.facts.get("authority")
    whose = f", of authority {authority}" if authority else ""
    if report.valid:
        yield f"{shown}: fine{f', {report.schema}' if report.schema else ''}{whose}"
        return
    if tolerated(report, percent):
        yield f"{shown}: fine with {exceptions(report.total, report.faulty)} of {report.facts['records']}{whose}"
    else:
        yield f"{shown}: {report.total} {'finding' if report.total == 1 else 'findings'}{whose}"
    for finding in report.findings[:limit]:
        yield f"  {finding.where}: {finding.message} [{finding.code}]"
    left = report.total - min(limit, len(report.findings))
    if left:
        yield f"  ... and {left} more"
    if percent and not _passes(report, percent) and report.total == len(report.exceptions):
        yield f"  {too_many(report, percent)}"
