"""`gateway rights`: who may do what below HOME, where each role has an account of its own."""

from __future__ import annotations

from dataclasses import asdict

import click

from gateway.cli import output, tables
from gateway.cli.site import decision_of, log_of, reason_or, settings_of
from gateway.cli.tables import Column


@click.command()
@click.option("--apply", "applied", is_flag=True, help="Make it so.")
@reason_or("as the table of rights has it")
@output.as_json
@click.pass_context
def rights(ctx: click.Context, reason: str, *, applied: bool, as_json: bool) -> None:
    """Compare owners, groups and modes below HOME with what the split installation wants, or set them; takes root.

    Exit status 0 if nothing differs or everything was set, else 69. docs/operators/split.md has the table.

    \b
    Example:
      gateway --home /srv/gateway rights --apply
    """
    settings = settings_of(ctx)
    from gateway.administration.site.rights import apply, compare  # noqa: PLC0415  # most sites do without

    decision = decision_of(ctx, settings, reason, dry_run=not applied)
    found = apply(settings, log_of(settings), decision) if applied else compare(settings)
    if as_json:
        output.show_json([{**asdict(each), "path": str(each.path)} for each in found])
    elif found:
        columns = tuple(map(Column, ("PATH", "WAS" if applied else "IS", "NOW" if applied else "WANTED")))
        tables.show(
            columns, [(str(each.path.relative_to(settings.home.root)), each.was, each.wanted) for each in found]
        )
    else:
        output.say("All rights are as they should be.")
    if found and not applied:
        output.say("What to do: as root, `gateway rights --apply`.")
        ctx.exit(69)
