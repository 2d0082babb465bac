"""SSH keys: make a pair, read its public line, and judge a public line that somebody else wrote on a card.

Raises CardRefused for a public key that is not exactly one plain line of an accepted kind, DiskFull and DiskFailed for
our own files. Safe, because a card's line ends up in authorized_keys, where options, a second line or a quote would
grant more than a key does: only the type and the key's own base64 ever leave this module.

cryptography is imported where it is needed. Every command reads partners' lines, and a line of Ed25519, which nearly all of
them are, is any 32 bytes behind a fixed head: to load a library for that took a tenth of a command's time.
"""

# ruff: noqa: PLC0415 - see above

from __future__ import annotations

import base64
import binascii
import hashlib
import os
import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from gateway.errors import CardRefused, DiskFailed
from gateway.storage.durable import sync_directory
from gateway.transport.names import own_file_fault

_TYPES: Final = frozenset(
    {"ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521"}
)
_ED25519: Final = b"\0\0\0\x0bssh-ed25519\0\0\0\x20"
"""What stands before the 32 bytes of a key (RFC 8709, section 4)."""
_LEAST_RSA_BITS: Final = 3072
_LONGEST_LINE: Final = 4096
_UNREADABLE: Final = "the SSH key cannot be read"
_COMMENT: Final = re.compile(r"[\x20-\x7e]*")


@dataclass(frozen=True)
class PublicKey:
    """One SSH public key: its type, its base64, and the fingerprint as OpenSSH logs it (`SHA256:...`)."""

    type: str
    base64: str
    fingerprint: str

    @property
    def line(self) -> str:
        """The key as one line without options or comment."""
        return f"{self.type} {self.base64}"

    @property
    def blob(self) -> bytes:
        return base64.b64decode(self.base64)


def parse_public_key(line: str) -> PublicKey:
    """The key in a line such as `ssh-ed25519 AAAA... comment`; the comment is dropped.

    Raises CardRefused for options in front, more than one line, DSA, security keys, certificates, RSA below 3,072 bits,
    and for base64 whose inner type is another than the one written.
    """
    text = line.strip(" \r\n")
    if len(text) > _LONGEST_LINE or not _COMMENT.fullmatch(text):
        raise CardRefused("the SSH key is not one line of plain text")
    kind, _, rest = text.partition(" ")
    body = rest.strip().partition(" ")[0]
    if kind not in _TYPES:
        raise CardRefused("the SSH key is not of an accepted kind: ssh-ed25519, ecdsa-sha2-nistp256/384/521 or ssh-rsa")
    try:
        blob = base64.b64decode(body, validate=True)
    except binascii.Error as error:
        raise CardRefused(_UNREADABLE) from error
    if kind != Kind.ED25519:
        _require_usable(kind, body)
    elif not (blob.startswith(_ED25519) and len(blob) == len(_ED25519) + 32):
        raise CardRefused(_UNREADABLE)
    return _public(kind, blob)


def _require_usable(kind: str, body: str) -> None:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key

    try:
        key = load_ssh_public_key(f"{kind} {body}".encode("ascii"))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CardRefused(_UNREADABLE) from error
    if isinstance(key, RSAPublicKey) and key.key_size < _LEAST_RSA_BITS:
        raise CardRefused(f"the SSH key is RSA of fewer than {_LEAST_RSA_BITS} bits")


class Kind(StrEnum):
    """The kinds of key that are made here, by OpenSSH's names."""

    ED25519 = "ssh-ed25519"
    RSA = "ssh-rsa"


def make_key_pair(path: Path, comment: str = "", kind: Kind = Kind.ED25519) -> PublicKey:
    """Write a new key to `path` (OpenSSH format, no passphrase, mode 0600) and its line to `path`.pub.

    The private key must not exist yet: a key in use is never replaced by accident. Raises DiskFailed.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    if not _COMMENT.fullmatch(comment):
        raise ValueError("a comment is printable ASCII")
    private: Ed25519PrivateKey | RSAPrivateKey
    private = Ed25519PrivateKey.generate() if kind is Kind.ED25519 else generate_private_key(65537, _LEAST_RSA_BITS)
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
    line = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode("ascii")
    public = parse_public_key(line)
    try:
        _write_new(path, pem, 0o600)
        _write_new(_line_of(path), f"{line} {comment}".strip().encode("ascii") + b"\n", 0o644)
        sync_directory(path.parent)
    except OSError as error:
        raise own_file_fault(error) from error
    return public


def copy_private_key(path: Path, copy: Path) -> None:
    """A second copy of a private key, in the place of one that may be there. Raises DiskFailed."""
    try:
        copy.unlink(missing_ok=True)
        _write_new(copy, path.read_bytes(), 0o600)
        sync_directory(copy.parent)
    except OSError as error:
        raise own_file_fault(error) from error


def replace_key_pair(path: Path, comment: str = "", kind: Kind = Kind.ED25519) -> PublicKey:
    """Put a new key in the place of the one at `path`; there is a whole key there throughout. Raises DiskFailed."""
    fresh = path.with_name(path.name + ".next")
    remove_key_pair(fresh)
    public = make_key_pair(fresh, comment, kind)
    try:
        fresh.replace(path)
        _line_of(fresh).replace(_line_of(path))
        sync_directory(path.parent)
    except OSError as error:
        raise own_file_fault(error) from error
    return public


def remove_key_pair(path: Path) -> None:
    """Remove a private key, and its line where there is one. Raises DiskFailed."""
    try:
        for gone in (path, _line_of(path)):
            gone.unlink(missing_ok=True)
        sync_directory(path.parent)
    except OSError as error:
        raise own_file_fault(error) from error


def _line_of(path: Path) -> Path:
    """Where the public line of a private key lies."""
    return path.with_name(path.name + ".pub")


def read_public_key(path: Path) -> PublicKey:
    """The public key that belongs to the private key at `path`. Raises DiskFailed."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key

    try:
        private = load_ssh_private_key(path.read_bytes(), password=None)
    except OSError as error:
        raise own_file_fault(error) from error
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise DiskFailed(f"{path.name} holds no SSH private key without a passphrase") from error
    line = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode("ascii")
    return parse_public_key(line)


def _public(kind: str, blob: bytes) -> PublicKey:
    digest = base64.b64encode(hashlib.sha256(blob).digest()).decode("ascii").rstrip("=")
    return PublicKey(kind, base64.b64encode(blob).decode("ascii"), f"SHA256:{digest}")


def _write_new(path: Path, data: bytes, mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, mode)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
