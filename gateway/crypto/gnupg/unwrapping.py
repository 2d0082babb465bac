"""Taking the encryption off a message and leaving its signature, so that whoever has the signer's certificate can verify it.

It is what `gpg --unwrap` does (docs/audit.md, "Evidence"). Raises OwnKeyUnusable, EnvelopeTooLarge, EnvelopeDamaged,
EnvelopeExhausting, SignatureBad, SignerUnknown, and OSError where the message cannot be read. Safe because it is no
acceptance: a message that was accepted and kept is read once more.
"""

from __future__ import annotations

import io
from typing import IO

from gateway.crypto.gnupg.gpg_process import GpgProcess
from gateway.crypto.gnupg.process_limits import Ended
from gateway.errors import (
    EnvelopeDamaged,
    EnvelopeExhausting,
    EnvelopeTooLarge,
    OwnKeyUnusable,
    SignatureBad,
    SignerUnknown,
)

_ONCE = ("BEGIN_DECRYPTION", "DECRYPTION_OKAY", "GOODMDC", "END_DECRYPTION")


def unwrap(gpg: GpgProcess, source: IO[bytes], max_bytes: int) -> bytes:
    """The signed message in an encrypted one, at most `max_bytes`; the caller has set gpg's keyrings and limits."""
    unwrapped = _taken(gpg, source, max_bytes, ["--unwrap"])
    counts = gpg.last.counts
    if counts["NO_SECKEY"]:
        raise OwnKeyUnusable("The secret key that the message is encrypted to is not here any more.")
    if gpg.last.returncode != 0 or any(counts[keyword] != 1 for keyword in _ONCE):
        raise EnvelopeDamaged
    return unwrapped


def signed_content(gpg: GpgProcess, signed: bytes, max_bytes: int) -> bytes:
    """What an unwrapped message says, at most `max_bytes`, signed by a key of gpg's keyrings that may have ended since."""
    content = _taken(gpg, io.BytesIO(signed), max_bytes, [])
    counts = gpg.last.counts
    if gpg.last.ended is not None:
        raise EnvelopeExhausting(f"Reading the message was broken off: {gpg.last.ended.value}.")
    if counts["BADSIG"]:
        raise SignatureBad
    if counts["NO_PUBKEY"] or counts["REVKEYSIG"]:
        raise SignerUnknown
    good = counts["GOODSIG"] + counts["EXPKEYSIG"]
    if gpg.last.returncode != 0 or not good == counts["NEWSIG"] == counts["VALIDSIG"] == counts["PLAINTEXT"] == 1:
        raise EnvelopeDamaged
    return content


def _taken(gpg: GpgProcess, source: IO[bytes], max_bytes: int, options: list[str]) -> bytes:
    unwrapped = bytearray()

    def take(octets: bytes) -> bool:
        if len(unwrapped) > max_bytes:
            gpg.kill(Ended.WRITE_FAILED)
        else:
            unwrapped.extend(octets)
        return False

    gpg.on_data = take
    gpg.decrypt_file(source, extra_args=options)
    if len(unwrapped) > max_bytes:
        raise EnvelopeTooLarge
    return bytes(unwrapped)
