"""`gateway card`: this site's public introduction."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from gateway.cli.site import settings_of
from gateway.errors import CardRefused, ConfigurationInvalid, OwnKeyUnusable
from gateway.settings.model import Settings
from gateway.transfer.card import Card, CardEndpoint

_EVERYWHERE: Final = frozenset({"0.0.0.0", "::", "[::]"})  # noqa: S104  # refused, not listened on
_MACHINE_HOST_KEY: Final = Path("/etc/ssh/ssh_host_ed25519_key.pub")


@click.command()
@click.pass_context
def card(ctx: click.Context) -> None:
    """Print this site's introduction (JSON): code, name, keys, host key, endpoint.

    It holds nothing secret. Partners take it with `gateway partner add`, and confirm its fingerprint with you by
    another channel, such as the telephone.

    \b
    Example:
      gateway --home /srv/gateway card > tower-hamlets.card.json
    """
    sys.stdout.buffer.write(make_card(settings_of(ctx)).to_json())
    sys.stdout.buffer.flush()


def make_card(settings: Settings) -> Card:
    """The card of a site; OwnKeyUnusable where its certificate is not the configured one."""
    from gateway.assembly import key_store  # noqa: PLC0415  # slow to import
    from gateway.transport.keys import parse_public_key, read_public_key  # noqa: PLC0415  # slow to import

    home, server = settings.home, settings.sftp_server
    keys = key_store(home.keyrings)
    armoured = keys.export_own()
    certificate = keys.inspect(armoured)
    if certificate.fingerprint != settings.openpgp.fingerprint:
        raise OwnKeyUnusable("The key in state/keyrings is not the one that [openpgp] fingerprint names.")
    host_key = None
    if server.managed:
        host_key = read_public_key(home.host_key).line
    elif server.public_host is not None and _MACHINE_HOST_KEY.is_file():
        try:
            host_key = parse_public_key(_MACHINE_HOST_KEY.read_text(encoding="ascii")).line
        except (OSError, UnicodeDecodeError, CardRefused):
            host_key = None  # the card says so with null, and the partner asks
    endpoint = None
    if server.managed or server.public_host is not None:
        if (server.public_host or server.host) in _EVERYWHERE:
            raise ConfigurationInvalid(
                f"The server listens on every address ({server.host}), which is none that a partner could call: "
                "set [sftp_server] public_host in config/gateway.toml to the address that partners reach."
            )
        endpoint = CardEndpoint(
            host=server.public_host or server.host,
            port=server.public_port or server.port,
            user=server.user,
            path="in",
        )
    return Card(
        version=1,
        site=settings.site.code,
        name=settings.site.name,
        openpgp=armoured,
        fingerprint=certificate.fingerprint,
        ssh_key=read_public_key(home.client_key).line,
        host_key=host_key,
        endpoint=endpoint,
    )
