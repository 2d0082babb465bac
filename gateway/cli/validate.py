"""`gateway validate`: would these files be accepted? Read by the same readers as the gateway's, with or without a site."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

import click

from gateway.administration.documents.check import CheckedFile, check_files
from gateway.administration.views.words import exceptions
from gateway.cli import output
from gateway.cli.site import settings_if_any
from gateway.flows.routes import WAYS
from gateway.logs import safe_text

_DATA: Final = 65


@click.command()
@click.argument("flow", type=click.Choice(list(WAYS)), metavar="FLOW")
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
    checked = check_files(
        settings_if_any(ctx), flow, files, time.time(), addressee=addressee, test_numbers=test_numbers
    )
    if as_json:
        output.show_json([_data(each, limit) for each in checked])
    else:
        for each in checked:
            for line in _lines(each, limit):
                click.echo(line)
    wrong = sum(not each.accepted for each in checked)
    output.say(f"{len(checked) - wrong} of {len(checked)} would be accepted.")
    if wrong:
        ctx.exit(_DATA)


def _data(checked: CheckedFile, limit: int) -> dict[str, Any]:
    """One file: `valid` if it would be accepted, then with so many `exceptions` in so many records, or without."""
    report = checked.report
    return {
        "file": str(checked.path),
        "valid": checked.accepted,
        "exceptions": {"count": report.total, "records": report.faulty} if checked.exceptions else None,
        "schema": report.schema,
        "total": report.total,
        "findings": [asdict(finding) for finding in report.findings[:limit]],
        "facts": dict(report.facts),
    }


def _lines(checked: CheckedFile, limit: int) -> Iterator[str]:
    shown, report = safe_text(str(checked.path)), checked.report
    authority = report.facts.get("authority")
    whose = f", of authority {authority}" if authority else ""
    if report.valid:
        yield f"{shown}: fine{f', {report.schema}' if report.schema else ''}{whose}"
        return
    if checked.exceptions:
        yield f"{shown}: fine with {exceptions(report.total, report.faulty)} of {report.facts['records']}{whose}"
    else:
        yield f"{shown}: {report.total} {'finding' if report.total == 1 else 'findings'}{whose}"
    for finding in report.findings[:limit]:
        yield f"  {finding.where}: {finding.message} [{finding.code}]"
    left = report.total - min(limit, len(report.findings))
    if left:
        yield f"  ... and {left} more"
    if checked.too_many is not None:
        yield f"  {checked.too_many}"
