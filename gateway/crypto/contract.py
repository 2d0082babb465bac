"""What the gateway asks of an OpenPGP engine. One implementation: `gnupg.engine` (see docs/adr).

Errors: `seal` raises OwnKeyUnusable, PartnerKeyUnusable, KeyAgentAway, CryptoFailed, DiskFull, DiskFailed.
What reading its plaintext raises goes through `seal` as it is. `open` raises a subclass of EnvelopeRefused for anything
wrong with the message, or one of the above when the fault lies on this side; after any error no output file is left. An
`output` that exists already is DiskFailed, and stays as it was.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from gateway.storage.byte_reader import ByteReader


@dataclass(frozen=True)
class Certificate:
    """A public OpenPGP certificate as the gateway needs to know it.

    `fingerprint` is the primary key's, 40 upper-case hexadecimal digits. `created` and `expires` are seconds since
    1970, `expires` None where it never does; it is the earlier of the primary's and of the encryption subkey's.
    """

    fingerprint: str
    user_id: str
    created: float
    expires: float | None
    revoked: bool
    can_sign: bool
    can_encrypt: bool
    algorithm: str


@dataclass(frozen=True)
class Sealed:
    """A sealed file on disk, durable: its size in bytes and the SHA-256 of its bytes in lower-case hexadecimal."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Opened:
    """A message that passed the whole acceptance rule.

    `signer` is the primary fingerprint that signed, one of the partner's pinned ones; `encrypted_to` that of our key
    which it was really encrypted to; `signed_at` the signer's own claim of when (seconds since 1970), `sealed_sha256`
    the digest of exactly the bytes that the engine read, `size` the bytes of plaintext written.
    """

    signer: str
    encrypted_to: str
    signed_at: float
    sealed_sha256: str
    size: int


@dataclass(frozen=True)
class FormerKey:
    """The key that an owner had before: its primary fingerprint, and until when what it signed is still accepted
    (seconds since 1970).
    """

    fingerprint: str
    until: float


@dataclass(frozen=True)
class Rotations:
    """What is pinned besides everybody's current key; nothing, where nobody changes a key.

    `own` is our key before: what is encrypted to it is still opened. `partners` gives each partner's key before,
    `revoked` the primary fingerprints that a person withdrew trust from, whatever their certificates say.
    """

    own: str | None = None
    partners: Mapping[str, FormerKey] = field(default_factory=dict)
    revoked: Mapping[str, Collection[str]] = field(default_factory=dict)


class OpenPgp(Protocol):
    """Signing, sealing and opening for one site. Not safe for use by two threads at once; processes are."""

    def own_certificate(self) -> Certificate:
        """Our own certificate; OwnKeyUnusable where there is none."""
        ...

    def old_own_certificate(self) -> Certificate | None:
        """That of our key before, while it is being rotated out; OwnKeyUnusable where it should be there and is not."""
        ...

    def partner_certificate(self, partner: str) -> Certificate:
        """The certificate pinned for a partner; PartnerKeyUnusable where there is none."""
        ...

    def seal(self, plaintext: ByteReader, partner: str, output: Path, signer: str | None = None) -> Sealed:
        """Sign with our key and encrypt to exactly the partner's key, without compression, as a binary message.

        `signer` may name our key before, for a partner that does not know the current one yet. Reads `plaintext` to
        its end in bounded memory. `output` must not exist; it is written under a temporary name beside it, fsynced and
        renamed, so it is complete or absent.
        """
        ...

    def unwrap(self, sealed: Path, max_bytes: int) -> bytes:
        """Take off a message's encryption alone: the signed message that is left, for anybody to verify.

        Whose signature it bears is not looked at. OwnKeyUnusable where it is encrypted to a key that is not here any more;
        more than `max_bytes` is EnvelopeTooLarge.
        """
        ...

    def signed_content(self, signed: bytes, partner: str, max_bytes: int) -> bytes:
        """What an unwrapped message says, under one good signature by any certificate that is kept of the partner.

        Also by one that has ended or was changed since. SignerUnknown where it is by none of them, or by one that was revoked,
        SignatureBad where it does not fit; more than `max_bytes` is EnvelopeTooLarge.
        """
        ...

    def open(self, sealed: Path, partner: str, output: Path, max_bytes: int) -> Opened:
        """Decrypt and verify a message that lay in a partner's landing, writing the literal data to `output`.

        `output` must not exist, and is there only after a good verdict: it is not fsynced, being worth nothing
        after a crash. More than `max_bytes` of plaintext is EnvelopeTooLarge, found while it is being written.
        """
        ...

    def sign(self, text: bytes, signer: str | None = None) -> bytes:
        """A line of ASCII clear-signed by our key (RFC 9580, section 7): anybody reads it, and checks it with gpg alone.

        `signer` as for `seal`. Raises what `seal` raises of our own key.
        """
        ...

    def verify(self, signed: bytes, partner: str) -> str:
        """The primary fingerprint that clear-signed it, one of the partner's pinned ones.

        Raises what `open` raises for a signature or a signer. What else `signed` may hold is the caller's to refuse.
        """
        ...

    def close(self) -> None:
        """Leave the key agent; the last of a site's processes to leave ends it."""
        ...


class KeyStore(Protocol):
    """Making and keeping certificates; used by the command line, not by the roles."""

    def create_own(self, user_id: str, expires_in_days: int, *, another: bool = False) -> Certificate:
        """Make our key: Ed25519 signing primary and Curve25519 encryption subkey; `another` beside the one there is."""
        ...

    def export_own(self, fingerprint: str | None = None) -> str:
        """Our public certificate, ASCII-armoured, minimal (no third-party signatures); None: the only one there is."""
        ...

    def own_secrets(self) -> tuple[str, ...]:
        """The primary fingerprints of our secret keys, those that nobody uses any more among them."""
        ...

    def revoke_own(self, fingerprint: str) -> None:
        """Apply the revocation that was made together with our key: it signs nothing any more, and still decrypts."""
        ...

    def delete_own(self, fingerprint: str) -> None:
        """Delete one of our secret keys for good; its public certificate goes too, unless it is revoked."""
        ...

    def sign(self, text: bytes, fingerprint: str) -> str:
        """A detached signature over `text` by one of our keys, ASCII-armoured."""
        ...

    def sign_binary(self, text: bytes, fingerprint: str) -> bytes:
        """As `sign`, without armour."""
        ...

    def has_signed(self, text: bytes, signature: str, armoured: str) -> bool:
        """Whether `signature` is one good detached signature over `text` by exactly this certificate, not revoked.

        Expiry is the caller's: it has a clock.
        """
        ...

    def encrypt_to(self, armoured: str, plaintext: bytes, now: float) -> bytes:
        """Encrypt to the key of a certificate that is not kept here; nothing is signed. `now` is seconds since 1970.

        CardRefused unless it is exactly one public certificate, with a key that may be encrypted to at that time.
        """
        ...

    def inspect(self, armoured: str) -> Certificate:
        """What a certificate says, without keeping it; CardRefused unless it is exactly one public certificate."""
        ...

    def pin(self, partner: str, armoured: str, old: str | None = None) -> Certificate:
        """Keep exactly this certificate for the partner, and `old` as its key before.

        A certificate of another key that was kept stays, set aside: receipts that it signed are evidence.
        """
        ...

    def export_partner(self, partner: str, fingerprint: str) -> str:
        """A certificate that is kept for the partner, ASCII-armoured; PartnerKeyUnusable where it is not there."""
        ...

    def kept(self, partner: str | None = None) -> tuple[str, ...]:
        """The primary fingerprints of every certificate that is kept of a partner, its current key first; None: our own."""
        ...

    def forget(self, partner: str) -> None:
        """Remove the partner's certificates."""
        ...


Clock = Callable[[], float]
"""Seconds since 1970."""
