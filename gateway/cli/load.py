"""`gateway load`: the reference back office: delivered documents into a database, and the answers about them."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from typing import Final

import click

from gateway.cli import output, tables
from gateway.cli.site import settings_of
from gateway.cli.tables import Column
from gateway.errors import UsageWrong

_COLUMNS: Final = (
    Column("FILE", gives_way=True),
    Column("FLOW"),
    Column("PARTNER"),
    Column("VERDICT"),
    Column("RECORDS", right=True),
    Column("SET ASIDE", right=True, wide=True),
    Column("REASON", gives_way=True),
)


@click.command()
@click.option("--once", is_flag=True, help="Load what lies there, say what became of it, and end.")
@click.option("--dry-run", is_flag=True, help="Only say what would be loaded: no row, no answer, every file stays.")
@click.option("--database", metavar="URL", help="Load into this database.  [default: [load] database of gateway.toml]")
@output.as_json
@click.pass_context
def load(ctx: click.Context, database: str | None, *, once: bool, dry_run: bool, as_json: bool) -> None:
    """Load delivered claims, ETD notices, referrals and scan results into a database, and answer for them.

    This is a back office, as an example to copy: it takes files from spool/inbound and leaves NAME.accepted, or NAME.rejected with
    the findings, in spool/outcomes. Each document is loaded once, in a transaction of its own, into tables made from its schema
    (docs/formats/back-office-tables.md). Without --once it goes on as files come, until SIGTERM; `[load] enabled = true` has
    `gateway run` do that. The database holds personal data: only this account can read a file of SQLite.

    \b
    Example:
      gateway --home /srv/gateway load --dry-run
      gateway --home /srv/gateway load --once
      gateway --home /srv/gateway load --once --json --database postgresql://db.example.org/benefits
    """
    from gateway.loading.loader import Loader, counted, readers_of  # noqa: PLC0415  # slow to import
    from gateway.settings.resources import resource  # noqa: PLC0415  # as above

    settings = settings_of(ctx)
    if database is not None:
        settings = replace(settings, load=settings.load.with_database(database))
    if not once and not dry_run:
        if as_json:
            raise UsageWrong("--json is for --once and --dry-run: what goes on speaks in log lines.")
        from gateway.loading.role import run_load_role  # noqa: PLC0415  # as above

        run_load_role(settings)
        return
    readers = readers_of(settings, resource("schemas"))
    with closing(Loader(settings, readers, time.time)) as loader, output.progress("loading") as tell:
        lines = list(loader.look() if dry_run else loader.load(tell=tell))
    totals = counted(lines)
    if as_json:
        output.show_json({**totals, "documents": lines})
        return
    told = [line for line in lines if line.verdict != "accepted" or line.set_aside]
    if told:
        rows = [
            (
                *(line.name, line.flow, line.partner, line.verdict, str(line.records)),
                *(str(line.set_aside or ""), (line.reason or "").partition("\n")[0]),
            )
            for line in told
        ]
        tables.show(_COLUMNS, rows)
    would = "would be " if dry_run else ""
    parts = [f"{count} {would}{name}" for name, count in totals.items() if count and name != "earlier"]
    output.say(", ".join(parts) if parts else "Nothing waits to be loaded.")
