"""What a site's store holds is sealed with a key that its nodes have: contents as age has them, names by AES-SIV.

A content is a file of age (https://age-encryption.org/v1) to the key's own recipient: chunks of 64 KiB, each authenticated, in bounded memory.
`age -d -i state/payload.key` opens it without the gateway. A name is the SHA-256 of the content under AES-SIV (RFC 5297), with the path
beside it: always the same, so that a key is taken once, and without the site's key it says nothing of a content that somebody could guess.

Whoever knows the recipient can seal, and it is nowhere but in the key's file. What is opened is compared with the digest all the same (`shared_payloads`): it is
in the name, and the row of the ledger has it. Raises StoreFileLost for what does not open, ValueError for a text that is no key.
"""

from __future__ import annotations

import base64
from pathlib import PurePosixPath
from typing import Final

import pyrage  # type: ignore[import-untyped]
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from pyrage import x25519

from gateway.errors import GatewayError, StoreFileLost
from gateway.storage.objects.contract import Source, Target

_NAMES: Final = b"gateway: names in the store of payloads, version 1"
_SIV_KEY_BYTES: Final = 64
_DIGEST_BYTES: Final = 32


def new_key() -> str:
    """A new key, as a line of text that age reads too. Its random numbers are the system's."""
    return f"{x25519.Identity.generate()}\n"


class Sealing:
    """One key's sealing and opening. Safe to share between threads."""

    def __init__(self, key: str) -> None:
        try:
            self._identity = x25519.Identity.from_str(key.strip())
        except pyrage.IdentityError:
            raise ValueError("no identity of age") from None
        derived = HKDF(algorithm=SHA256(), length=_SIV_KEY_BYTES, salt=None, info=_NAMES)
        self._names = AESSIV(derived.derive(str(self._identity).encode("ascii")))

    def seal(self, source: Source, target: Target) -> None:
        """Read all of `source`, and write it sealed. What the two raise comes through."""
        read, written = _Source(source), _Target(target)
        try:
            pyrage.encrypt_io(read, written, [self._identity.to_public()])
        except (pyrage.EncryptError, OSError) as error:
            raise read.error or written.error or error from None
        _insist(read, written)

    def open(self, source: Source, target: Target) -> None:
        """Read a sealed file, and write what is in it: only after the last chunk is it whole. What the two raise comes through."""
        read, written = _Source(source), _Target(target)
        try:
            pyrage.decrypt_io(read, written, [self._identity])
        except (pyrage.DecryptError, OSError):
            _insist(read, written)
            raise StoreFileLost("a file in the store of [payloads] was altered, or sealed with another key") from None
        _insist(read, written)

    def key_of(self, path: PurePosixPath, sha256: str) -> str:
        """The store's key of a file: its path below the state, and its sealed digest."""
        token = self._names.encrypt(bytes.fromhex(sha256), [str(path).encode()])
        return f"{path}/{base64.b32encode(token).decode('ascii').rstrip('=').lower()}"

    def named(self, key: str) -> tuple[PurePosixPath, str] | None:
        """The path and the digest of a key of the store; None for one that this key did not make."""
        path, _, token = key.rpartition("/")
        try:
            sealed = base64.b32decode(token.upper() + "=" * (-len(token) % 8))
            digest = self._names.decrypt(sealed, [path.encode()])
        except (ValueError, InvalidTag):
            return None
        return (PurePosixPath(path), digest.hex()) if len(digest) == _DIGEST_BYTES else None


def _insist(read: _Source, written: _Target) -> None:
    """Raise what went wrong with the two: age's library says no more than that something did, and of the last bytes not even that."""
    if error := read.error or written.error:
        raise error


class _Source:
    """A source whose error is remembered."""

    def __init__(self, inner: Source) -> None:
        self._inner = inner
        self.error: OSError | GatewayError | None = None

    def read(self, size: int = -1, /) -> bytes:
        try:
            return self._inner.read(size)
        except (OSError, GatewayError) as error:
            self.error = error
            raise


class _Target:
    """A target whose error is remembered."""

    def __init__(self, inner: Target) -> None:
        self._inner = inner
        self.error: OSError | GatewayError | None = None

    def write(self, data: bytes, /) -> int:
        try:
            return self._inner.write(data)
        except (OSError, GatewayError) as error:
            self.error = error
            raise

    def flush(self) -> None:
        self._inner.flush()
