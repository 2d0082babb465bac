"""Change, retire and revoke the keys of this site: key material, and what the configuration says of it.

Raises KeyStillNeeded where an earlier change is not over, UsageWrong for an overlap that cannot be, and what the key store
and the disk raise. Safe to break off anywhere: a new key is there before the configuration names it, and a secret key goes
after the configuration has stopped naming it (`sweep` removes what was left); a running gateway goes by what it has read
until it reloads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from gateway.administration.site.key_table import Use
from gateway.crypto.contract import KeyStore
from gateway.errors import KeyStillNeeded, NotFound, UsageWrong
from gateway.settings.home import Home
from gateway.settings.model import Settings
from gateway.settings.write import write_keys
from gateway.transport.keys import Kind, copy_private_key, read_public_key, remove_key_pair, replace_key_pair

_DAY: Final = 86_400.0
_OTHER_KIND: Final[Mapping[str, Kind]] = {Kind.ED25519: Kind.RSA}


@dataclass(frozen=True)
class Changed:
    """A key that was made in the place of another: fingerprints, and until when the old one is used."""

    use: Use
    fingerprint: str
    old: str
    until: datetime | None


def rotate(settings: Settings, use: Use, store: KeyStore, now: float, overlap_days: int, key_days: int) -> Changed:
    """Make a new key, and go on using the old one beside it."""
    check(settings, use, overlap_days)
    until = datetime.fromtimestamp(int(now + overlap_days * _DAY), UTC)
    if use is not Use.OPENPGP:
        return _rotate_ssh(settings, use, until)
    old = settings.openpgp.fingerprint
    made = store.create_own(user_id(settings.site.code), key_days, another=True).fingerprint
    noted = settings.keys.model_copy(update={"old_openpgp": old, "old_openpgp_until": until})
    write_keys(settings.home, made, noted)
    return Changed(use, made, old, until)


def check(settings: Settings, use: Use, overlap_days: int) -> None:
    """KeyStillNeeded where that kind of key is being changed already; UsageWrong where partners would stop accepting the
    old key while what it signed may still be underway.
    """
    if until_of(settings, use) is not None:
        raise KeyStillNeeded(f"The last change of the {use} key is not over: `gateway keys retire --{use}` ends it.")
    longest = max(flow.expires_hours for flow in settings.flows.values()) / 24
    if use is Use.OPENPGP and overlap_days < longest + 1:
        raise UsageWrong(
            f"What is signed today may be underway for {longest:.0f} days (expires_hours of its flow), so the old key has "
            f"to be accepted for {longest + 1:.0f} days at least."
        )


def until_of(settings: Settings, use: Use) -> datetime | None:
    """Until when partners accept the old key of that kind; None where none is being changed."""
    noted = settings.keys
    match use:
        case Use.OPENPGP:
            return noted.old_openpgp_until
        case Use.SSH_CLIENT:
            return noted.old_client_key_until
        case Use.SSH_HOST:
            return noted.old_host_key_until


def _rotate_ssh(settings: Settings, use: Use, until: datetime) -> Changed:
    home = settings.home
    current, old = _files(home, use)
    before = read_public_key(current)
    copy_private_key(current, old)
    write_keys(home, settings.openpgp.fingerprint, settings.keys.model_copy(update={_date_of(use): until}))
    # sshd shows one host key of each kind: the new one is of another, so that both can be asked for.
    kind = _OTHER_KIND.get(before.type, Kind.ED25519) if use is Use.SSH_HOST else Kind.ED25519
    made = replace_key_pair(current, _comment(settings.site.code, use), kind)
    return Changed(use, made.fingerprint, before.fingerprint, until)


def old_fingerprint(settings: Settings, use: Use) -> str:
    """The fingerprint of the old key of that kind; NotFound where no key is being changed."""
    if until_of(settings, use) is None:
        raise NotFound(f"There is no old {use} key: nothing is being changed.")
    if use is Use.OPENPGP:
        return settings.keys.old_openpgp or ""
    return read_public_key(_files(settings.home, use)[1]).fingerprint


def retire(settings: Settings, use: Use) -> None:
    """Stop using an old key: the configuration no longer names it. The secret goes with `sweep`, after a reload."""
    change = {"old_openpgp": None, "old_openpgp_until": None} if use is Use.OPENPGP else {_date_of(use): None}
    write_keys(settings.home, settings.openpgp.fingerprint, settings.keys.model_copy(update=change))


def sweep(settings: Settings, store: KeyStore) -> list[str]:
    """Delete every secret key of ours that the configuration does not name; the fingerprints of those that were there."""
    named = {settings.openpgp.fingerprint, settings.keys.old_openpgp}
    gone = [fingerprint for fingerprint in store.own_secrets() if fingerprint not in named]
    for fingerprint in gone:
        store.delete_own(fingerprint)
    for use in (Use.SSH_CLIENT, Use.SSH_HOST):
        old = _files(settings.home, use)[1]
        if until_of(settings, use) is None and old.is_file():
            gone.append(read_public_key(old).fingerprint)
            remove_key_pair(old)
    return gone


def revoke(settings: Settings, use: Use, store: KeyStore, now: float, key_days: int) -> Changed:
    """Put a new key in the place of one that is trusted no more, at once: the old one signs and logs in nowhere.

    An OpenPGP key that is revoked still opens what partners have sealed to it. One that was being rotated out opens
    nothing from then on.
    """
    if use is not Use.OPENPGP:
        current, _ = _files(settings.home, use)
        before = read_public_key(current)
        made = replace_key_pair(current, _comment(settings.site.code, use))
        retire(settings, use)
        return Changed(use, made.fingerprint, before.fingerprint, None)
    lost = settings.openpgp.fingerprint
    fresh = store.create_own(user_id(settings.site.code), key_days, another=True).fingerprint
    store.revoke_own(lost)
    noted = settings.keys.model_copy(
        update={
            "old_openpgp": lost,
            "old_openpgp_until": datetime.fromtimestamp(int(now), UTC),
            "revoked_openpgp": (*settings.keys.revoked_openpgp, lost),
        }
    )
    write_keys(settings.home, fresh, noted)
    return Changed(use, fresh, lost, None)


def revoke_old(settings: Settings, store: KeyStore, now: float) -> None:
    """Trust our old OpenPGP key no more, before its date: it still opens what comes, until it is retired."""
    lost = old_fingerprint(settings, Use.OPENPGP)
    store.revoke_own(lost)
    noted = settings.keys.model_copy(
        update={
            "old_openpgp_until": datetime.fromtimestamp(int(now), UTC),
            "revoked_openpgp": (*settings.keys.revoked_openpgp, lost),
        }
    )
    write_keys(settings.home, settings.openpgp.fingerprint, noted)


def user_id(code: str) -> str:
    """The user id of a site's OpenPGP key."""
    return f"Gateway {code} <{code.lower()}@gateway.invalid>"


def _files(home: Home, use: Use) -> tuple[Path, Path]:
    """Where an SSH key lies, and where the one before it."""
    if use is Use.SSH_CLIENT:
        return home.client_key, home.old_client_key
    return home.host_key, home.old_host_key


def _date_of(use: Use) -> str:
    return "old_client_key_until" if use is Use.SSH_CLIENT else "old_host_key_until"


def _comment(code: str, use: Use) -> str:
    return f"gateway {code}" if use is Use.SSH_CLIENT else f"gateway {code} host"
