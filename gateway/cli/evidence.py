"""`gateway evidence ID`: what this site can show of a transfer to somebody who does not trust it."""

from __future__ import annotations

import time
from pathlib import Path

import click

from gateway.cli import output
from gateway.cli.site import decision_of, log_of, settings_of
from gateway.errors import UsageWrong


@click.command()
@click.argument("identity", metavar="ID")
@click.option("--out", required=True, type=click.Path(path_type=Path), metavar="FILE", help="A new ZIP file.")
@click.option("--with-payload", is_flag=True, help="Put the file's content in, too; it goes into the audit chain.")
@click.option("--reason", metavar="TEXT", help="With --with-payload: who asks for it, and by what right.")
@output.as_json
@click.pass_context
def evidence(
    ctx: click.Context, identity: str, out: Path, reason: str | None, *, with_payload: bool, as_json: bool
) -> None:
    """Write down everything that a court or an auditor needs of one transfer or consignment, as one signed file.

    What it holds: a page that tells what happened, the events with their chain, the rows, the partner's signed receipts,
    the certificates. `tools/verify_evidence.py` checks it without this program. The first characters of the id are enough.

    \b
    Example:
      gateway --home /srv/gateway evidence 019ab5f0-1c2d --out case-12.zip
      gateway --home /srv/gateway evidence 019ab5f0-1c2d --out case-12.zip --with-payload --reason "court order 12/2026"
    """
    from gateway.administration.evidence import bundle  # noqa: PLC0415  # slow to import

    if with_payload != (reason is not None):
        raise UsageWrong("--with-payload and --reason go together: whoever gives a file's content out says why.")
    settings, payload = settings_of(ctx), None
    if reason is not None:
        decision = decision_of(ctx, settings, reason, about=identity)
        payload = bundle.disclose(settings, log_of(settings), identity, out, decision)
    output.show_made(bundle.make(settings, identity, out, time.time(), payload), as_json=as_json)
