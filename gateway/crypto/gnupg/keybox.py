"""Which certificates a keyring file holds, read from its outline without starting gpg.

Every start, and many a command, asks of every partner whether its certificate is there. What a certificate is good for only gpg
can tell, and does at each use.

Raises OSError where the file cannot be read; a file that is no keybox holds nothing. The form is GnuPG's
(`kbx/keybox-blob.c`): blobs with their length in front; the primary fingerprint is at byte 20 of a certificate's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

_MOST_BYTES: Final = 16 * 1024 * 1024
_LEAST_BLOB: Final = 5
_OPENPGP: Final = 2
_FINGERPRINT: Final = slice(20, 40)


def primary_fingerprints(ring: Path) -> tuple[str, ...]:
    """The primary fingerprints of the certificates in the file, in capitals, in the file's order."""
    with ring.open("rb") as stream:
        data = stream.read(_MOST_BYTES)
    found: list[str] = []
    at = 0
    while at + _LEAST_BLOB <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        blob = data[at : at + length]
        if length < _LEAST_BLOB or len(blob) < length:
            return ()  # cut short, or no keybox
        if blob[4] == _OPENPGP:
            found.append(blob[_FINGERPRINT].hex().upper())
        at += length
    return tuple(found)
