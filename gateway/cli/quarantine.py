"""`gateway quarantine list`, `show` and `discard`: what should not exist, locked away."""

from __future__ import annotations

import click

from gateway.administration.access import reading
from gateway.administration.views import quarantine as views
from gateway.administration.views.records import QuarantinedView, remedy_of
from gateway.administration.views.words import describe, within
from gateway.cli import output, tables
from gateway.cli.site import log_of, reason_option, settings_of
from gateway.cli.tables import Column

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
@output.as_csv
@output.as_json
@click.pass_context
def list_(ctx: click.Context, *, everything: bool, as_csv: bool, as_json: bool) -> None:
    """List what is locked away, the newest last.

    \b
    Example:
      gateway --home /srv/gateway quarantine list --json
    """
    with reading(settings_of(ctx)) as connection:
        found = views.quarantine(connection, discarded=everything)
    if as_json:
        output.show_json(found)
        return
    if as_csv:
        output.show_csv(QuarantinedView, found)
        return
    if found:
        tables.show(_COLUMNS, [_cells(each) for each in found])
    output.say(f"{len(found)} locked away" if found else "Nothing is locked away.")


def _cells(each: QuarantinedView) -> tuple[str, ...]:
    return (
        each.id,
        each.partner,
        tables.brief(each.received),
        each.code,
        tables.bytes_of(each.size),
        each.reason,
    )


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
    with reading(settings) as connection:
        found = views.story(settings, connection, identity)
    if as_json:
        output.show_json(found)
        return
    for label in ("id", "kind", "consignment", "partner", "received", "size", "sha256", "code", "reason", "file"):
        if (value := getattr(found, label)) is not None:
            click.echo(f"{label:<12} {value}")
    if found.discarded:
        click.echo(f"{'discarded':<12} {found.discarded}")
    for event in found.events:
        if "actor" in event.detail:
            click.echo(f"{'decided':<12} {tables.brief(event.at)} {describe(event.event, event.detail)}")
    if found.discarded:
        return
    if (remedy := remedy_of(found.code, found.id)) is not None:
        click.echo(f"{'what to do':<12} {remedy}")


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
    from gateway.administration.requests import actors, decisions  # noqa: PLC0415  # slow to import

    decision = actors.decision(reason)
    settings = settings_of(ctx)
    if dry_run:
        with reading(settings) as connection:
            found = views.one(connection, identity)
        output.say(f"Would discard {found.id}, {found.size} bytes from {found.partner}: {within(found.reason)}.")
        return
    found = decisions.discard(settings, log_of(settings), identity, decision)
    output.say(f"Discarded {found.id}, {found.size} bytes from {found.partner}.")
