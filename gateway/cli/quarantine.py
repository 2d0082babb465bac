"""`gateway quarantine list`, `show` and `discard`: what should not exist, locked away."""

from __future__ import annotations

import click

from gateway.cli import acting, output, reading, tables
from gateway.cli.acting import reason_option
from gateway.cli.site import settings_of
from gateway.cli.tables import Column
from gateway.cli.words import within
from gateway.errors import documented_errors
from gateway.ledger.queries.events import events_of
from gateway.ledger.queries.quarantine import quarantined
from gateway.stages import decisions

_COLUMNS = (
    Column("ID"),
    Column("PARTNER"),
    Column("RECEIVED (UTC)"),
    Column("CODE"),
    Column("SIZE", right=True, wide=True),
    Column("REASON", gives_way=True, wide=True),
)


@click.group()
def quarantine() -> None:
    """Look at what was locked away, and discard it.

    Nothing in here was delivered, and nothing leaves: ask the partner what they sent, let them send it anew, and
    discard what lies here.

    \b
    Example:
      gateway --home /srv/gateway quarantine list
    """


@quarantine.command("list")
@click.option("--all", "everything", is_flag=True, help="What was discarded, too.")
@output.as_json
@click.pass_context
def list_(ctx: click.Context, *, everything: bool, as_json: bool) -> None:
    """List what is locked away, the newest last.

    \b
    Example:
      gateway --home /srv/gateway quarantine list --json
    """
    with reading.opened(settings_of(ctx)) as ledger, ledger.read() as connection:
        rows = [reading.quarantined(row) for row in reversed(quarantined(connection, discarded=everything))]
    if as_json:
        output.show_json(rows)
        return
    if rows:
        shown = [
            (
                row["id"],
                row["partner"],
                tables.brief(row["received"]),
                row["code"],
                tables.bytes_of(row["size"]),
                row["reason"],
            )
            for row in rows
        ]
        tables.show(_COLUMNS, shown)
    output.say(f"{len(rows)} locked away" if rows else "Nothing is locked away.")


@quarantine.command()
@click.argument("identity", metavar="ID")
@output.as_json
@click.pass_context
def show(ctx: click.Context, identity: str, *, as_json: bool) -> None:
    """Tell all about one quarantined file: its own ID, or that of its consignment; the first characters are enough.

    \b
    Example:
      gateway --home /srv/gateway quarantine show 019ab5f0
    """
    settings = settings_of(ctx)
    with reading.opened(settings) as ledger, ledger.read() as connection:
        row = decisions.quarantined(connection, identity)
        events = events_of(connection, [row.consignment])
    data = reading.quarantined(row)
    kept = decisions.kept_file(settings.home, row)
    data["file"] = str(kept) if kept.is_file() else None
    data["events"] = [reading.event(event) for event in events if event.partner == row.partner]
    if as_json:
        output.show_json(data)
        return
    for word in ("id", "kind", "consignment", "partner", "received", "size", "sha256", "code", "reason", "file"):
        if data[word] is not None:
            click.echo(f"{word:<12} {data[word]}")
    if data["discarded"]:
        click.echo(f"{'discarded':<12} {data['discarded']}")
        return
    known = {error.code: error.remedy for error in documented_errors()}
    if row.code in known:
        click.echo(f"{'what to do':<12} {known[row.code].replace(' ID', f' {row.id}')}")


@quarantine.command()
@click.argument("identity", metavar="ID")
@reason_option
@click.option("--dry-run", is_flag=True, help="Say what would be discarded, and leave it.")
@click.pass_context
def discard(ctx: click.Context, identity: str, reason: str, *, dry_run: bool) -> None:
    """Remove a quarantined file for good. Its row, its digest and the reason stay in the ledger.

    \b
    Example:
      gateway --home /srv/gateway quarantine discard 019ab5f0 --reason "partner sent it with a wrong key, sent anew"
    """
    because_of = acting.decision(reason)
    if dry_run:
        with reading.opened(settings_of(ctx)) as ledger, ledger.read() as connection:
            row = decisions.quarantined(connection, identity)
        output.say(f"Would discard {row.id}, {row.size} bytes from {row.partner}: {within(row.reason)}.")
        return
    with acting.stage_context(ctx) as context:
        row = decisions.discard(context, identity, because_of)
    output.say(f"Discarded {row.id}, {row.size} bytes from {row.partner}.")
