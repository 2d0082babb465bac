"""Certificates as gpg lists them, turned into the gateway's records.

gpg's letters for validity follow the system's clock; here only revocation and damage are taken from them, and every
expiry is a date for the caller to hold against the gateway's own clock.

Raises CryptoFailed where gpg cannot read a keyring. Safe because a user id, which is anything that its owner wrote, is
only ever shown, with its control characters replaced.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from gateway.crypto.contract import Certificate
from gateway.crypto.gnupg.gpg_process import GpgProcess
from gateway.crypto.gnupg.process_limits import ProcessLimits
from gateway.errors import CryptoFailed

_ALGORITHMS: Final = {"1": "rsa", "16": "elgamal", "17": "dsa"}
_REVOKED: Final = "r"
_UNUSABLE: Final = frozenset("rid")


@dataclass(frozen=True)
class Key:
    """One key of a certificate, primary or subkey; `key_id` is 16 upper-case hexadecimal digits."""

    fingerprint: str
    key_id: str
    created: float
    expires: float | None
    revoked: bool
    usable: bool
    capabilities: str
    algorithm: str

    def valid_at(self, now: float) -> bool:
        return self.usable and not expired(self.expires, now)


@dataclass(frozen=True)
class KeySet:
    """A certificate with its keys, the primary first."""

    user_id: str
    keys: tuple[Key, ...]

    @property
    def primary(self) -> Key:
        return self.keys[0]

    def key(self, fingerprint: str) -> Key | None:
        return next((key for key in self.keys if key.fingerprint == fingerprint), None)

    def encryption_key(self, now: float) -> Key | None:
        """The newest key that may be encrypted to at `now`, or None."""
        if not self.primary.valid_at(now):
            return None
        able = [key for key in self.keys if "e" in key.capabilities and key.valid_at(now)]
        return max(able, key=lambda key: key.created, default=None)

    def encryption_ids(self) -> frozenset[str]:
        """The ids of every key that somebody may have encrypted to, expired ones too."""
        return frozenset(key.key_id for key in self.keys if "e" in key.capabilities)

    def certificate(self) -> Certificate:
        able = [key for key in self.keys if "e" in key.capabilities and key.usable]
        encryption = max(able, key=lambda key: key.created, default=None)
        ends = [key.expires for key in (self.primary, encryption) if key is not None and key.expires is not None]
        names = dict.fromkeys(key.algorithm for key in (self.primary, encryption) if key is not None)
        return Certificate(
            fingerprint=self.primary.fingerprint,
            user_id=self.user_id,
            created=self.primary.created,
            expires=min(ends, default=None),
            revoked=self.primary.revoked,
            can_sign=self.primary.usable and any("s" in key.capabilities and key.usable for key in self.keys),
            can_encrypt=self.primary.usable and encryption is not None,
            algorithm="/".join(names),
        )


def expired(expires: float | None, now: float) -> bool:
    return expires is not None and expires <= now


def read_keys(gpg: GpgProcess, keyring: Path) -> tuple[KeySet, ...]:
    """Every certificate of a keyring file."""
    gpg.keyring = [str(keyring)]
    try:
        with gpg.within(ProcessLimits()):
            listed = gpg.list_keys()
        if gpg.last.returncode != 0:
            raise CryptoFailed("GnuPG cannot read a keyring.")
        return tuple(_key_set(entry) for entry in listed)
    except (ValueError, LookupError, AttributeError, TypeError) as error:
        # python-gnupg takes the listing apart without checking its form.
        raise CryptoFailed("GnuPG lists a certificate in a form that is not understood.") from error
    finally:
        gpg.keyring = None


def _key_set(entry: Mapping[str, Any]) -> KeySet:
    subkeys = [_key(entry["subkey_info"][subkey[0]], subkey[2]) for subkey in entry["subkeys"]]
    user_ids = entry["uids"]
    return KeySet(_shown(user_ids[0]) if user_ids else "", (_key(entry, entry["fingerprint"]), *subkeys))


def _key(fields: Mapping[str, Any], fingerprint: str) -> Key:
    validity = fields["trust"]
    expires = fields["expires"]
    return Key(
        fingerprint=fingerprint,
        key_id=fields["keyid"],
        created=float(fields["date"]),
        expires=float(expires) if expires else None,
        revoked=validity == _REVOKED,
        usable=validity not in _UNUSABLE,
        # Capital letters sum up the whole certificate at the system's clock; small ones are this key's own.
        capabilities="".join(letter for letter in fields["cap"] if letter.islower()),
        algorithm=fields["curve"]
        or f"{_ALGORITHMS.get(fields['algo'], 'algorithm-' + fields['algo'])}{fields['length']}",
    )


def _shown(user_id: str) -> str:
    r"""A user id fit for a screen and a log; python-gnupg gives UTF-8 octets as one character each."""
    octets = bytes(ord(letter) if ord(letter) < 256 else 0x3F for letter in user_id)
    return "".join(letter if letter.isprintable() else "?" for letter in octets.decode("utf-8", "replace"))
