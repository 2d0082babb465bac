"""What a sealed file in quarantine begins as, in words: an OpenPGP packet by its header (RFC 4880 sections 4.2, 5.1 and 5.3), or what else it is.

The first bytes are given only where they are the header of a packet that says whom the message is encrypted for: what came unsealed may
be people's data from its first byte on. Nothing is decrypted. Pure; raises nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

TAKEN: Final = 32
"""Bytes that are looked at."""
_GIVEN: Final = 16
_KEY: Final = 1
_PASSPHRASE: Final = 3
_MARK: Final = 0x80
_NEW: Final = 0x40
_OTHER_PACKETS: Final[Mapping[int, str]] = MappingProxyType(
    {
        2: "a signature without what it signs",
        4: "a message that is signed and not encrypted",
        6: "a public key",
        5: "a secret key",
        8: "a compressed message that is not encrypted",
        9: "encrypted data without saying for whom",
        18: "encrypted data without saying for whom",
        11: "a message that is not encrypted",
    }
)
_KINDS: Final = (
    (b"-----BEGIN PGP", "armoured OpenPGP, which is accepted in its binary form alone"),
    (b"%PDF-", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "gzip"),
    (b"\x28\xb5\x2f\xfd", "Zstandard"),
    (b"<", "XML or HTML"),
)
_LENGTHS_OLD: Final = (1, 2, 4, 0)
_VERSION: Final = 3
_NOT_TOLD: Final = "It came unsealed, so none of its bytes is shown."


def described(start: bytes) -> str:
    """Sentences about a file of which these are the first bytes, TAKEN at most."""
    if not start:
        return "It is empty."
    packet = _packet(start)
    if packet is not None:
        tag, body = packet
        shown = start[:_GIVEN].hex(" ")
        if tag == _KEY and body[:1] == bytes([_VERSION]) and len(body) > 8:
            key = body[1:9]
            whom = "a key that it does not name" if key == bytes(8) else f"the key {key.hex().upper()}"
            return f"It begins as an OpenPGP message that is encrypted for {whom}. Its first bytes: {shown}"
        if tag == _PASSPHRASE and body[:1] == b"\x04":
            return f"It begins as an OpenPGP message that a passphrase opens, and no key. Its first bytes: {shown}"
        if tag in _OTHER_PACKETS:
            return f"It begins as OpenPGP does: {_OTHER_PACKETS[tag]}. None of its bytes is shown."
    for beginning, words in _KINDS:
        if start.lstrip(b"\xef\xbb\xbf \r\n\t").startswith(beginning):
            return f"It begins as {words}. {_NOT_TOLD}"
    if all(0x20 <= each < 0x7F or each in b"\t\r\n" for each in start):
        return f"It begins as text. {_NOT_TOLD}"
    return "It begins as nothing that is known here. None of its bytes is shown."


def _packet(start: bytes) -> tuple[int, bytes] | None:
    """The tag of the OpenPGP packet that begins there, and its first bytes; None where none begins."""
    first = start[0]
    if not first & _MARK or len(start) < 2:
        return None
    if not first & _NEW:
        return (first >> 2) & 15, start[1 + _LENGTHS_OLD[first & 3] :]
    length = start[1]
    octets = 1 if length < 192 or 224 <= length < 255 else 2 if length < 224 else 5
    return first & 63, start[1 + octets :]
