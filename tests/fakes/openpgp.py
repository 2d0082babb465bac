"""A correspondent with stock gpg and bad intentions: makes every kind of message that a gateway has to refuse."""

from __future__ import annotations

import hashlib
import os
import subprocess
import zlib
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.decrepit.ciphers.modes import CFB
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.ciphers.aead import AESOCB3

LONG_AGO = "20200101T000000!"
"""Frozen: a second run of gpg would begin at the same time again, and find the key that the first has made in the future."""
SHORTLY_AFTER = "20200102T000000"


@dataclass(frozen=True)
class Recipe:
    """What kind of key to make: algorithms as gpg names them, and whether a subkey of its own signs."""

    signing: str = "ed25519"
    encrypting: str = "cv25519"
    signing_subkey: str | None = None
    expires: str = "30d"


class GpgRefused(Exception):
    """Stock gpg did not do what the test asked of it."""


@dataclass(frozen=True)
class StockGpg:
    """gpg as anybody has it, with a home of its own."""

    home: Path

    def run(self, *arguments: str, feed: bytes = b"") -> bytes:
        command = [
            "gpg",
            "--homedir",
            str(self.home),
            "--batch",
            "--yes",
            "--quiet",
            "--no-tty",
            "--trust-model",
            "always",
        ]
        done = subprocess.run([*command, *arguments], input=feed, capture_output=True, check=False)
        if done.returncode != 0:
            raise GpgRefused(done.stderr.decode("utf-8", "replace"))
        return done.stdout

    def make_key(self, user_id: str, *options: str, algorithm: str = "ed25519", expires: str = "30d") -> str:
        """A key with an encryption subkey; its primary fingerprint."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        protection = ["--pinentry-mode", "loopback", "--passphrase", ""]
        sign, encrypt = ("ed25519", "cv25519") if algorithm == "ed25519" else (algorithm, algorithm)
        self.run(*options, *protection, "--quick-generate-key", user_id, sign, "sign,cert", expires)
        fingerprint = self.fingerprint(user_id)
        self.run(*options, *protection, "--quick-add-key", fingerprint, encrypt, "encrypt", expires)
        return fingerprint

    def make_key_by(self, user_id: str, recipe: Recipe) -> str:
        """A key of that kind; its primary fingerprint."""
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        protection = ["--pinentry-mode", "loopback", "--passphrase", ""]
        use = "cert" if recipe.signing_subkey else "sign,cert"
        self.run(*protection, "--quick-generate-key", user_id, recipe.signing, use, recipe.expires)
        fingerprint = self.fingerprint(user_id)
        if recipe.signing_subkey:
            self.run(*protection, "--quick-add-key", fingerprint, recipe.signing_subkey, "sign", recipe.expires)
        self.run(*protection, "--quick-add-key", fingerprint, recipe.encrypting, "encrypt", recipe.expires)
        return fingerprint

    def fingerprint(self, user_id: str) -> str:
        listing = self.run("--with-colons", "--list-keys", f"={user_id}").decode()
        return next(line.split(":")[9] for line in listing.splitlines() if line.startswith("fpr:"))

    def certificate(self, user_id: str) -> str:
        return self.run("--armor", "--export", f"={user_id}").decode()

    def learn(self, armoured: str) -> None:
        self.home.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.run("--trust-model", "pgp", "--import", feed=armoured.encode())

    def revocation(self, fingerprint: str) -> str:
        """The revocation that gpg made together with the key; it is kept disarmed by one colon."""
        return (self.home / "openpgp-revocs.d" / f"{fingerprint}.rev").read_text().replace(":-----BEGIN", "-----BEGIN")

    def seal(self, recipient: str, content: bytes, *options: str) -> bytes:
        """Signed and encrypted as the wire format wants it, but for `options`."""
        return self.run("-z", "0", "--recipient", recipient, *options, "--sign", "--encrypt", feed=content)

    def session_key(self, message: bytes) -> bytes:
        """The session key of a message to this home's key."""
        command = ["gpg", "--homedir", str(self.home), "--batch", "--no-tty", "--status-fd", "2", "--show-session-key"]
        done = subprocess.run(
            [*command, "--output", os.devnull, "--yes", "--decrypt"], input=message, capture_output=True, check=False
        )
        line = next(line for line in done.stderr.decode("latin-1").splitlines() if "SESSION_KEY" in line)
        return bytes.fromhex(line.rpartition(":")[2])

    def close(self) -> None:
        subprocess.run(
            ["gpgconf", "--homedir", str(self.home), "--kill", "gpg-agent"], check=False, capture_output=True
        )


# -- a writer of packets, for what gpg does not write


def packet(tag: int, body: bytes) -> bytes:
    """One packet with a five-octet length (RFC 4880 section 4.2.2)."""
    return bytes([0xC0 | tag, 0xFF]) + len(body).to_bytes(4, "big") + body


def literal(content: bytes, name: bytes = b"") -> bytes:
    return packet(11, b"b" + bytes([len(name)]) + name + bytes(4) + content)


def session_key_packet(message: bytes) -> bytes:
    """The public-key encrypted session key that a message begins with, in gpg's old-form header."""
    width = (1, 2, 4)[message[0] & 3]
    return message[: 1 + width + int.from_bytes(message[1 : 1 + width], "big")]


def protected(session_key: bytes, packets: bytes) -> bytes:
    """A symmetrically encrypted, integrity-protected packet around `packets` (section 5.13)."""
    prefix = os.urandom(16)
    clear = prefix + prefix[-2:] + packets + b"\xd3\x14"
    digest = hashlib.sha1(clear).digest()  # noqa: S324 - the standard prescribes it for this packet
    return packet(18, b"\x01" + _cfb(session_key, bytes(16), clear + digest))


def unprotected(session_key: bytes, packets: bytes) -> bytes:
    """A symmetrically encrypted packet without integrity protection (sections 5.7 and 13.9)."""
    prefix = os.urandom(16)
    head = _cfb(session_key, bytes(16), prefix + prefix[-2:])
    return packet(9, head + _cfb(session_key, head[2:18], packets))


def without_integrity_code(session_key: bytes, packets: bytes) -> bytes:
    """An integrity-protected packet whose modification detection code was cut off (section 5.14)."""
    prefix = os.urandom(16)
    return packet(18, b"\x01" + _cfb(session_key, bytes(16), prefix + prefix[-2:] + packets))


def encrypted_aead(session_key: bytes, packets: bytes) -> bytes:
    """An AEAD encrypted data packet as GnuPG 2.3 wrote it: version 1, AES-256, OCB, chunks of 4 MiB, one nonce."""
    nonce = os.urandom(15)
    head = b"\xd4\x01\x09\x02\x10"
    sealer = AESOCB3(session_key)
    chunk = sealer.encrypt(nonce, packets, head + bytes(8))
    last = nonce[:7] + (int.from_bytes(nonce[7:], "big") ^ 1).to_bytes(8, "big")
    tag = sealer.encrypt(last, b"", head + (1).to_bytes(8, "big") + len(packets).to_bytes(8, "big"))
    return packet(20, head[1:] + nonce + chunk + tag)


def _cfb(session_key: bytes, start: bytes, clear: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES(session_key), CFB(start)).encryptor()
    return encryptor.update(clear) + encryptor.finalize()


def bomb(layers: int, gigabytes: int) -> bytes:
    """Compressed packets within one another that unpack to a literal of so many gigabytes of zeros."""
    size = gigabytes << 30
    head = b"\xcb\xff" + (size + 6 & 0xFFFF_FFFF).to_bytes(4, "big") + b"b\x00" + bytes(4)
    packets = _deflate_zeros(head, size)
    for _ in range(layers - 1):
        packets = packet(8, b"\x01" + zlib.compress(packets, 9, wbits=-15))
    return packets


def _deflate_zeros(head: bytes, size: int) -> bytes:
    """A compressed packet of `head` and so many zeros, made from one block repeated."""
    squeeze = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = squeeze.compress(head) + squeeze.flush(zlib.Z_FULL_FLUSH)
    block_size = 1 << 20
    block = squeeze.compress(bytes(block_size)) + squeeze.flush(zlib.Z_FULL_FLUSH)
    return packet(8, b"\x01" + start + block * (size // block_size) + squeeze.flush(zlib.Z_FINISH))
