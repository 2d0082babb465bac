"""Would these files be accepted? Read by the same readers as the gateway's, with or without a site. Nothing is submitted.

Raises UsageWrong for what is no file, NotPermitted, DiskFailed, and what the sandbox raises.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

from gateway.domain.calendar import day_of
from gateway.domain.extract_name import FLOW as EXTRACT
from gateway.domain.extract_name import authorities_named
from gateway.domain.redirect import FLOW as REDIRECT
from gateway.errors import DiskFailed, FileNameRefused, FileTooLarge, NotPermitted, UsageWrong
from gateway.flows.catalog import FLOWS
from gateway.flows.routes import routes
from gateway.logs import safe_text
from gateway.settings.authorities import listed
from gateway.settings.flow_settings import DEFAULT_FLOWS, LaidSettings
from gateway.settings.model import Settings, SiteKind, Validation
from gateway.settings.resources import resource
from gateway.spool.names import check_name
from gateway.stages.inspection import other_authority, too_many, wrong_authority
from gateway.validation.contract import Finding, Report
from gateway.validation.exceptions import tolerated
from gateway.validation.plan import Plan, with_authorities
from gateway.validation.sandbox.pool import Crash, Job, Sandbox

Comparison = Callable[[str, str], bool]

_WORKERS: Final = 2


@dataclass(frozen=True)
class CheckedFile:
    """What is wrong with a file, by line or record, never what it says.

    `accepted` if it would be, then with `exceptions` in some of its records or without. `too_many` says in a sentence that
    it was refused only for the number of its exceptions.
    """

    path: Path
    report: Report
    accepted: bool
    exceptions: bool
    too_many: str | None


def check_files(
    settings: Settings | None,
    flow: str,
    files: Sequence[Path],
    now: float,
    *,
    addressee: str | None,
    test_numbers: bool | None,
) -> Sequence[CheckedFile]:
    """Each file, by the rules of the site where there is one, and for the authority that it is addressed to, if any."""
    for path in files:
        _require_readable(path)
    percent = (DEFAULT_FLOWS if settings is None else settings.flows)[flow].tolerated_percent
    same = _comparison(settings, now)
    reports: dict[Path, Report] = {}
    with Sandbox({flow: plan_of(settings, flow, test_numbers=test_numbers)}, min(_WORKERS, len(files))) as readers:
        for job, result in readers.validate([Job(str(at), flow, path) for at, path in enumerate(files)]):
            path = files[int(job.key)]
            reports[path] = _complete(settings, flow, path, _report(result), addressee, same)
    return [_checked(path, reports[path], percent) for path in files]


def plan_of(settings: Settings | None, flow: str, *, test_numbers: bool | None = None) -> Plan:
    """How files of a flow are read, by the rules of the site where there is one."""
    if test_numbers is None:
        test_numbers = (Validation() if settings is None else settings.validation).test_numbers
    links = LaidSettings().links if settings is None else settings.links
    plan = FLOWS[flow].plan(resource("schemas"), test_numbers, links)
    if flow == REDIRECT:
        plan = with_authorities(plan, "" if settings is None else settings.authorities.added)
    return plan


def _checked(path: Path, report: Report, percent: float) -> CheckedFile:
    odd = tolerated(report, percent)
    accepted = report.valid or odd
    refused_for_number = percent and not accepted and report.total == len(report.exceptions)
    return CheckedFile(path, report, accepted, odd, too_many(report, percent) if refused_for_number else None)


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


def _complete(
    settings: Settings | None, flow: str, path: Path, report: Report, addressee: str | None, same: Comparison
) -> Report:
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
        return _of_authority(settings, path.name, report, same)
    if FLOWS[flow].ends[0] is not SiteKind.DWP:
        return report
    # Where a flow goes several ways, only DWP's site knows without being told whom its files may be for.
    if addressee is None and settings is not None and _is_certain(settings, flow):
        addressee = _addressee(settings, flow, report, same)
    return report if addressee is None else wrong_authority(report, addressee, same)


def _of_authority(settings: Settings | None, name: str, report: Report, same: Comparison) -> Report:
    """The report on an extract, which an authority sends for itself; at DWP's site any that may send one would do."""
    named = authorities_named(name)
    report = replace(report, facts={**report.facts, **({"authority": named[0]} if named else {})})
    if settings is None or not named:
        return report
    senders = [settings.site.code]
    if settings.site.kind is SiteKind.DWP:
        senders = sorted(routes(settings).incoming.get(EXTRACT, frozenset()))
    found = [other_authority(report, EXTRACT, name, sender, same) for sender in senders]
    return next((each for each in found if each.total == report.total), found[0]) if found else report


def _comparison(settings: Settings | None, now: float) -> Comparison:
    """How codes of authorities are compared today: by the site's table where there is a site."""
    known = listed() if settings is None else settings.authorities
    return partial(known.same, on=day_of(now))


def _is_certain(settings: Settings, flow: str) -> bool:
    return len(FLOWS[flow].ways) == 1 or settings.site.kind is SiteKind.DWP


def _addressee(settings: Settings, flow: str, report: Report, same: Comparison) -> str | None:
    """At an authority's site the site itself; at DWP's any partner would do that the file names."""
    if settings.site.kind is SiteKind.LA:
        return settings.site.code
    partners = sorted(routes(settings).outgoing.get(flow, frozenset()))
    named = report.facts.get("authority", "")
    return None if not partners or any(same(named, partner) for partner in partners) else partners[0]
