"""`gateway keys`: the keys of this site and of its partners, and changing those of this site."""

from __future__ import annotations

from dataclasses import asdict

import click

from gateway.cli import output
from gateway.cli.site import settings_of


@click.group()
def keys() -> None:
    r"""Show the keys that this site has and trusts, and change its own.

    What to do step by step is in docs/operators/key-rotation.md.
    """


@keys.command("list")
@output.as_json
@click.pass_context
def list_keys(ctx: click.Context, *, as_json: bool) -> None:
    """List every key of this site and of its partners: what for, how it stands, until when.

    While a key of this site is being changed, partners that have not shown that they know the new one are named too.

    \b
    Example:
      gateway --home /srv/gateway keys list
    """
    settings = settings_of(ctx)
    from gateway.assembly import open_pgp  # noqa: PLC0415  # slow to import
    from gateway.cli import key_table, reading  # noqa: PLC0415  # slow to import
    from gateway.stages.signing import unconfirmed  # noqa: PLC0415  # slow to import

    engine = open_pgp(settings)
    try:
        rows = list(key_table.own_keys(settings, engine))
        for partner in settings.partners.values():
            rows += key_table.partner_keys(partner, engine)
    finally:
        engine.close()
    waiting: list[str] = []
    if settings.keys.old_openpgp is not None:
        with reading.opened(settings) as ledger, ledger.read() as connection:
            waiting = unconfirmed(connection, settings)
    if as_json:
        first, *others = (asdict(row) for row in rows)
        output.show_json([{**first, "unconfirmed": waiting}, *others])
        return
    output.show_table(
        ("OWNER", "USE", "STANDING", "EXPIRES", "UNTIL", "FINGERPRINT"),
        [
            (
                row.owner,
                row.use.value,
                row.standing.value,
                (row.expires or "-")[:10],
                (row.until or "-")[:10],
                row.fingerprint,
            )
            for row in rows
        ],
    )
    if settings.keys.old_openpgp is not None:
        output.say(f"Not known yet to know the new OpenPGP key: {', '.join(waiting) or 'nobody, all know it'}.")
