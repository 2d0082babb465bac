"""`gateway keys`: the keys of this site and of its partners, and changing those of this site."""

# ruff: noqa: PLC0415 - a command imports what it needs: most of it is slow
from __future__ import annotations

from dataclasses import asdict
from typing import Final

import click

from gateway.cli import output, tables
from gateway.cli.keys_change import planned_reason, retire, revoke, rotate
from gateway.cli.site import decision_of, log_of, settings_of
from gateway.cli.tables import Column

_COLUMNS: Final = tuple(map(Column, ("OWNER", "USE", "STANDING", "EXPIRES", "UNTIL", "FINGERPRINT")))


@click.group()
def keys() -> None:
    r"""Show the keys that this site has and trusts, and change its own.

    What to do step by step is in docs/operators/key-rotation.md.
    """


@keys.command("list")
@output.as_csv
@output.as_json
@click.pass_context
def list_keys(ctx: click.Context, *, as_csv: bool, as_json: bool) -> None:
    """List every key of this site and of its partners: what for, how it stands, until when.

    While a key of this site is being changed, partners that have not shown that they know the new one are named too.

    \b
    Example:
      gateway --home /srv/gateway keys list
    """
    settings = settings_of(ctx)
    from gateway.administration.site import keys as site_keys

    found = site_keys.list_keys(settings)
    if as_json:
        first, *others = (asdict(row) for row in found.rows)
        output.show_json([{**first, "unconfirmed": found.unconfirmed or ()}, *others])
        return
    if as_csv:
        from gateway.administration.site.key_table import KeyRow

        output.show_csv(KeyRow, found.rows)
        return
    rows = [
        (row.owner, row.use, row.standing, (row.expires or "-")[:10], (row.until or "-")[:10], row.fingerprint)
        for row in found.rows
    ]
    tables.show(_COLUMNS, rows)
    if found.unconfirmed is not None:
        waiting = ", ".join(found.unconfirmed)
        output.say(f"Not known yet to know the new OpenPGP key: {waiting or 'nobody, all know it'}.")


@keys.command()
@click.argument("partner", metavar="CODE")
@planned_reason
@click.pass_context
def confirm(ctx: click.Context, partner: str, reason: str) -> None:
    """Say that the partner CODE knows this site's new OpenPGP key, so that it signs towards it from now on.

    A partner that runs a gateway shows that by itself, with the first thing that it seals to the new key.

    \b
    Example:
      gateway --home /srv/gateway keys confirm E09000030 --reason "they took the card, by telephone"
    """
    from gateway.administration.site import keys as site_keys

    settings = settings_of(ctx)
    decision = decision_of(ctx, settings, reason, partner)
    site_keys.confirm(settings, log_of(settings), partner, decision)
    output.say(f"The new key signs towards {partner} from now on.")


for command in (rotate, retire, revoke):
    keys.add_command(command)
