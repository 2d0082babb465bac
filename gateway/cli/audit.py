"""`gateway audit verify`, `heads` and `export`: does the ledger hold, and do partners remember the same?"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Final

import click

from gateway.administration.site import audit as audits
from gateway.administration.site.audit import AuditReport
from gateway.cli import output, tables
from gateway.cli.audit_export import export
from gateway.cli.audit_statement import statement
from gateway.cli.site import settings_of
from gateway.cli.tables import Column
from gateway.errors import ChainBroken

_SHOWN: Final = 50
_HEADS: Final = (Column("EVENT"), Column("SHA-256"), Column("CAME WITH"))


@click.group()
def audit() -> None:
    """Verify the audit chain, exchange heads with partners, and write down what it proves.

    \b
    Example:
      gateway --home /srv/gateway audit verify
    """


@audit.command()
@click.option(
    "--heads",
    "heads_files",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Heads of our chain that a partner exported: `gateway audit heads OUR-CODE --json` at their site. Repeatable.",
)
@click.option(
    "--since",
    metavar="ANCHOR",
    help="Look at later events alone, and at the rows they speak of: SEQUENCE:SHA256 of an event, or `last` for the head of"
    " the last audit on record.",
)
@click.option("--record", is_flag=True, help="Keep the result, which `gateway status` shows.")
@click.option("--deep", is_flag=True, help="Read every file that is kept, and compare its content too.")
@output.as_json
@click.pass_context
def verify(
    ctx: click.Context, heads_files: Sequence[Path], since: str | None, *, record: bool, deep: bool, as_json: bool
) -> None:
    """Verify the ledger's schema, the whole audit chain, the rows, the heads that partners hold, and the files on disk.

    Every fault is told. Exit status 0 if there is none, else 70. The gateway may be at work meanwhile.

    \b
    Example:
      gateway --home /srv/gateway audit verify --deep
      gateway --home /srv/gateway audit verify --heads from-dwp.json
      gateway --home /srv/gateway audit verify --record --since last
    """
    watch = partial(output.progress, "verifying")
    report = audits.verify(settings_of(ctx), heads_files, watch, deep=deep, since=since, record=record)
    if as_json:
        output.show_json({"ok": not report.faults, **vars(report)})
    else:
        _tell(report)
    if report.faults:
        ctx.exit(ChainBroken.exit_status)


@audit.command()
@click.argument("partner", metavar="PARTNER")
@output.as_csv
@output.as_json
@click.pass_context
def heads(ctx: click.Context, partner: str, *, as_csv: bool, as_json: bool) -> None:
    """Print the heads of a PARTNER's audit chain that this site holds, for them to compare.

    A chain that was cut, or made anew, agrees with itself. It does not agree with what partners have seen of it:
    send them what this prints, and they run `gateway audit verify --heads FILE`.

    \b
    Example:
      gateway --home /srv/gateway audit heads E09000030 --json > for-tower-hamlets.json
    """
    found = audits.heads(settings_of(ctx), partner)
    if as_json:
        output.show_json(found)
    elif as_csv:
        output.show_csv(audits.HeadView, found)
    elif found:
        tables.show(_HEADS, [(str(head.sequence), head.sha256, head.source) for head in found])
    else:
        output.say(f"Nothing has come from {partner} yet, so no head of its chain is known here.")


audit.add_command(statement)


def _tell(report: AuditReport) -> None:
    for fault in report.faults[:_SHOWN]:
        click.echo(f"{click.style(fault.check, fg='red')} {fault.subject}: {fault.message}")
    if len(report.faults) > _SHOWN:
        click.echo(f"... and {len(report.faults) - _SHOWN} more: --json lists all")
    if report.left_over:
        files = output.counted(len(report.left_over), "file")
        output.say(f"{files} of no row left by a crash, which is no fault: --json lists them.")
    for each in report.restored:
        told = f"Event {each.event}: the site was put back from its copy of {each.taken}, which ended with event {each.head}."
        gone = (
            f" Events {each.head + 1} to {each.event - 1} are lost, by the site's own word."
            if each.event > each.head + 1
            else ""
        )
        output.say(told + gone)
    sys.stdout.flush()
    if report.faults:
        output.say(
            f"{output.counted(len(report.faults), 'fault')} in {output.counted(report.events, 'event')}. What to do: {ChainBroken.remedy}"
        )
    else:
        since = f" since event {report.since}" if report.since else ""
        click.echo(
            f"The chain holds{since}: {output.counted(report.events, 'event')}, head {report.head[:16]}; rows, heads and files agree."
        )
        output.say(f"The anchor of this audit: {report.events}:{report.head}")


audit.add_command(export)
