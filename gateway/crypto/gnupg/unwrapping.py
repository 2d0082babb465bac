"""Taking the encryption off a message and leaving its signature, so that whoever has the signer's certificate can verify it.

It is what `gpg --unwrap` does (docs/audit.md, "Evidence"). Raises OwnKeyUnusable, EnvelopeTooLarge, EnvelopeDamaged, and OSError
where the message cannot be read. Safe because nothing is concluded from what is left: it is no acceptance.
"""

from __future__ import annotations

from collections import Counter
from typing import IO

from gateway.crypto.gnupg.gpg_process import GpgProcess
from gateway.crypto.gnupg.process_limits import Ended
from gateway.errors import EnvelopeDamaged, EnvelopeTooLarge, OwnKeyUnusable

_ONCE = ("BEGIN_DECRYPTION", "DECRYPTION_OKAY", "GOODMDC", "END_DECRYPTION")


def unwrap(gpg: GpgProcess, source: IO[bytes], max_bytes: int) -> bytes:
    """The signed message in an encrypted one, at most `max_bytes`; the caller has set gpg's keyrings and limits."""
    unwrapped = bytearray()

    def take(octets: bytes) -> bool:
        if len(unwrapped) > max_bytes:
            gpg.kill(Ended.WRITE_FAILED)
        else:
            unwrapped.extend(octets)
        return False

    gpg.on_data = take
    gpg.decrypt_file(source, extra_args=["--unwrap"])
    if len(unwrapped) > max_bytes:
        raise EnvelopeTooLarge
    counts = Counter(line.partition(" ")[0] for line in gpg.last.lines)
    if counts["NO_SECKEY"]:
        raise OwnKeyUnusable("The secret key that the message is encrypted to is not here any more.")
    if gpg.last.returncode != 0 or any(counts[keyword] != 1 for keyword in _ONCE):
        raise EnvelopeDamaged
    return bytes(unwrapped)
