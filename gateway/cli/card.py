"""`gateway card`: this site's public introduction."""

from __future__ import annotations

import sys
import time

import click

from gateway.cli.site import settings_of


@click.command()
@click.pass_context
def card(ctx: click.Context) -> None:
    """Print this site's introduction (JSON): code, name, keys, host key, endpoint.

    It holds nothing secret. Partners take it with `gateway partner add`, and confirm its fingerprint with you by
    another channel, such as the telephone. Partners that know this site already need not: the card is signed by the key
    that they know, also while `gateway keys rotate` changes it.

    \b
    Example:
      gateway --home /srv/gateway card > tower-hamlets.card.json
    """
    from gateway.administration.site.card import make_card  # noqa: PLC0415  # slow to import

    sys.stdout.buffer.write(make_card(settings_of(ctx), time.time()).to_json())
    sys.stdout.buffer.flush()
