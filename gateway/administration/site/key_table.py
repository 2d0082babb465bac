"""Every key that this site has or trusts, as `gateway keys list` shows it.

Raises what the OpenPGP engine and the ledger raise. Nothing secret is read but the SSH private keys, for their public
halves.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gateway.administration.views.records import moment
from gateway.crypto.contract import Certificate, OpenPgp
from gateway.errors import GatewayError
from gateway.ledger.queries.keys import OWN
from gateway.settings.model import Partner, Settings
from gateway.transport.keys import parse_public_key, read_public_key


class Use(StrEnum):
    """What a key is for."""

    OPENPGP = "openpgp"
    SSH_CLIENT = "ssh-client"
    SSH_HOST = "ssh-host"


class Standing(StrEnum):
    """How far a key is trusted: the one in use, the one before (until a date), one that is trusted no more."""

    CURRENT = "current"
    OLD = "old"
    REVOKED = "revoked"


@dataclass(frozen=True)
class KeyRow:
    """One key. `owner` is `own` or a partner's code; `expires` is the certificate's own end, `until` the overlap's."""

    owner: str
    use: Use
    standing: Standing
    fingerprint: str
    expires: str | None = None
    until: str | None = None


def own_keys(settings: Settings, engine: OpenPgp) -> Iterator[KeyRow]:
    """The keys of this site, the one before after the current one of its kind."""
    home, keys = settings.home, settings.keys
    yield _certified(OWN, engine.own_certificate(), Standing.CURRENT)
    old = engine.old_own_certificate()
    if old is not None:
        standing = Standing.REVOKED if old.fingerprint in keys.revoked_openpgp else Standing.OLD
        yield _certified(OWN, old, standing, keys.old_openpgp_until)
    client = (home.client_key, home.old_client_key, keys.old_client_key_until, Use.SSH_CLIENT)
    host = (home.host_key, home.old_host_key, keys.old_host_key_until, Use.SSH_HOST)
    for current, before, until, use in (client, host) if settings.sftp_server.managed else (client,):
        yield KeyRow(OWN, use, Standing.CURRENT, read_public_key(current).fingerprint)
        if until is not None:
            yield KeyRow(OWN, use, Standing.OLD, read_public_key(before).fingerprint, until=_text(until))


def partner_keys(partner: Partner, engine: OpenPgp) -> Iterator[KeyRow]:
    """A partner's keys, as they are pinned here."""
    standing = Standing.REVOKED if partner.fingerprint in partner.revoked else Standing.CURRENT
    try:
        yield _certified(partner.code, engine.partner_certificate(partner.code), standing)
    except GatewayError:  # `gateway doctor` says what is the matter; the pin is true all the same
        yield KeyRow(partner.code, Use.OPENPGP, standing, partner.fingerprint)
    if partner.old_fingerprint is not None:
        standing = Standing.REVOKED if partner.old_fingerprint in partner.revoked else Standing.OLD
        until = _text(partner.old_fingerprint_until)
        yield KeyRow(partner.code, Use.OPENPGP, standing, partner.old_fingerprint, until=until)
    there = partner.endpoint
    lines = [
        (Use.SSH_CLIENT, Standing.CURRENT, partner.ssh_key, None),
        (Use.SSH_CLIENT, Standing.OLD, partner.old_ssh_key, partner.old_ssh_key_until),
    ]
    if there is not None:
        lines += [
            (Use.SSH_HOST, Standing.CURRENT, there.host_key, None),
            (Use.SSH_HOST, Standing.OLD, there.old_host_key, there.old_host_key_until),
        ]
    for use, standing, line, end in lines:
        if line is not None:
            yield KeyRow(partner.code, use, standing, parse_public_key(line).fingerprint, until=_text(end))


def _certified(owner: str, certificate: Certificate, standing: Standing, until: datetime | None = None) -> KeyRow:
    expires = None if certificate.expires is None else moment(certificate.expires)
    return KeyRow(owner, Use.OPENPGP, standing, certificate.fingerprint, expires, _text(until))


def _text(until: datetime | None) -> str | None:
    return None if until is None else moment(until.timestamp())
