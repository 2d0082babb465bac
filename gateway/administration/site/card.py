"""A site's public introduction, for partners. Raises OwnKeyUnusable, and ConfigurationInvalid for an address of no use."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Final

from gateway.assembly.stores import key_store
from gateway.crypto.contract import KeyStore
from gateway.domain.card import Before, Card, CardAddress, CardEndpoint, OldOpenPgp, OldSsh
from gateway.domain.identity import to_text
from gateway.errors import CardRefused, ConfigurationInvalid
from gateway.settings.model import Settings, SftpServer
from gateway.settings.values import address
from gateway.transport.keys import parse_public_key, read_public_key

_EVERYWHERE: Final = frozenset({"0.0.0.0", "::", "[::]"})  # noqa: S104  # refused, not listened on
_MACHINE_HOST_KEY: Final = Path("/etc/ssh/ssh_host_ed25519_key.pub")


def make_card(settings: Settings, now: float) -> Card:
    """The card of a site, signed by the keys that its partners may know; OwnKeyUnusable where one of them is not there."""
    home, server, noted = settings.home, settings.sftp_server, settings.keys
    own = settings.openpgp.fingerprint
    keys = key_store(home.keyrings)
    armoured = keys.export_own(own)
    host_key = None
    if server.managed:
        host_key = read_public_key(home.host_key).line
    elif (server.public_host is not None or server.addresses) and _MACHINE_HOST_KEY.is_file():
        try:
            host_key = parse_public_key(_MACHINE_HOST_KEY.read_text(encoding="ascii")).line
        except (OSError, UnicodeDecodeError, CardRefused):
            host_key = None  # the card says so with null, and the partner asks
    card = Card(
        version=1,
        site=settings.site.code,
        name=settings.site.name,
        openpgp=armoured,
        fingerprint=own,
        ssh_key=read_public_key(home.client_key).line,
        host_key=host_key,
        endpoint=_endpoint(server),
        issued=to_text(now),
        before=_before(settings, keys, now),
        revoked=tuple(keys.export_own(each) for each in noted.revoked_openpgp),
    )
    signers = [own]
    if noted.old_openpgp is not None and noted.old_openpgp not in noted.revoked_openpgp:
        signers.append(noted.old_openpgp)  # partners that have not taken the new card know this one alone
    text = card.signed_text()
    return card.signed_by({signer: keys.sign(text, signer) for signer in signers})


def _endpoint(server: SftpServer) -> CardEndpoint | None:
    """Where partners reach the site: its nodes' addresses, or the one of this machine's server; None where it has none."""
    if not (server.managed or server.public_host is not None or server.addresses):
        return None
    said = [address(text) for text in server.addresses]
    (host, port), *others = said or [(server.public_host or server.host, server.public_port or server.port)]
    if everywhere := _EVERYWHERE.intersection([host, *(each for each, _ in others)]):
        raise ConfigurationInvalid(
            f"The server listens on every address ({min(everywhere)}), which is none that a partner could call: "
            "set [sftp_server] public_host in config/gateway.toml to the address that partners reach."
        )
    also = tuple(CardAddress(host=each, port=number) for each, number in others)
    return CardEndpoint(host=host, port=port, user=server.user, path="in", others=also)


def _before(settings: Settings, keys: KeyStore, now: float) -> Before | None:
    """The keys before, each while its date has not come; None where none is being changed."""
    home, noted = settings.home, settings.keys

    def until(date: datetime | None) -> str | None:
        return to_text(date.timestamp()) if date is not None and date.timestamp() > now else None

    def ssh(path: Path, end: str | None) -> OldSsh | None:
        return OldSsh(key=read_public_key(path).line, until=end) if end is not None else None

    openpgp, end = None, until(noted.old_openpgp_until)
    if noted.old_openpgp is not None and noted.old_openpgp not in noted.revoked_openpgp and end is not None:
        openpgp = OldOpenPgp(fingerprint=noted.old_openpgp, openpgp=keys.export_own(noted.old_openpgp), until=end)
    before = Before(
        openpgp=openpgp,
        ssh_key=ssh(home.old_client_key, until(noted.old_client_key_until)),
        host_key=ssh(home.old_host_key, until(noted.old_host_key_until)) if settings.sftp_server.managed else None,
    )
    return None if before == Before() else before
