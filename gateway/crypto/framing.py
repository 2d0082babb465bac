"""The outermost packets of a sealed file, read before gpg sees it.

gpg's status lines do not tell everything that the acceptance rule needs: gpg does not report a passphrase that opens the
message beside our key, and accepts packets that follow the message. So they are checked here: one public-key encrypted session
key for us, one integrity-protected encrypted packet, and the end of the file (RFC 4880 sections 4.2, 5.1 and 5.13).

Raises EnvelopeArmoured, EnvelopeClearSigned, EnvelopeNotOpenPgp, EnvelopeUnsupported, EnvelopeNotEncrypted, EnvelopeRecipient,
EnvelopeMoreRecipients, EnvelopeNoIntegrity, EnvelopeDamaged, EnvelopeTruncated, EnvelopeTrailing. Safe because it reads headers
only, at most one for each 512 bytes of file, and keeps none of the content.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NoReturn

from gateway.errors import (
    EnvelopeArmoured,
    EnvelopeClearSigned,
    EnvelopeDamaged,
    EnvelopeMoreRecipients,
    EnvelopeNoIntegrity,
    EnvelopeNotEncrypted,
    EnvelopeNotOpenPgp,
    EnvelopeRecipient,
    EnvelopeTrailing,
    EnvelopeTruncated,
    EnvelopeUnsupported,
)

Peek = Callable[[int, int], bytes]
"""`peek(offset, count)`: at most `count` bytes of the file at `offset`, fewer only at its end."""

_SESSION_KEY: Final = 1
_PASSPHRASE_KEY: Final = 3
_ENCRYPTED_BARE: Final = 9
_ENCRYPTED_PROTECTED: Final = 18
_ENCRYPTED_AEAD: Final = 20
_READABLE: Final = {2: "a signature", 4: "a signed message", 8: "a compressed message", 11: "a plain message"}
_KEY_MATERIAL: Final = {5, 6, 7, 13, 14, 17}

_MORE_KEYS: Final = {
    _SESSION_KEY: "The message is encrypted to more than one key.",
    _PASSPHRASE_KEY: "The message can be opened with a passphrase too.",
}

_ARMOUR: Final = re.compile(rb"-----BEGIN PGP (\w+)")
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_ECDH: Final = 18
_INTEGERS: Final = {1: 1, 2: 1, 16: 2, _ECDH: 1}
"""How many integers an encrypted session key has, by algorithm: RSA, RSA, Elgamal, ECDH."""
_CURVE25519_POINT: Final = 33
_CURVE25519_PREFIX: Final = 0x40

_LONGEST_SESSION_KEY: Final = 4096
_SHORTEST_CHUNK: Final = 512


@dataclass(frozen=True)
class _Header:
    tag: int
    body: int
    length: int
    partial: bool


def check_framing(peek: Peek, size: int, our_key_ids: frozenset[str]) -> None:
    """Refuse a file whose outermost packets are not exactly a message encrypted to one of `our_key_ids`.

    Key ids are 16 upper-case hexadecimal digits.
    """
    first = peek(0, 1)
    if not first:
        raise EnvelopeNotOpenPgp("The file is empty.")
    if not first[0] & 0x80 or peek(0, len(_BYTE_ORDER_MARK)) == _BYTE_ORDER_MARK:
        _refuse_text(peek(0, 4096))
    session_key = _header(peek, 0)
    if session_key.tag != _SESSION_KEY:
        _refuse_first(session_key.tag)
    if session_key.partial or session_key.length > _LONGEST_SESSION_KEY:
        raise EnvelopeDamaged("The message's key is of an impossible length.")
    at = session_key.body + session_key.length
    if at >= size:
        raise EnvelopeTruncated("The message ends before its encrypted part.")
    encrypted = _header(peek, at)
    if encrypted.tag in _MORE_KEYS:
        raise EnvelopeMoreRecipients(_MORE_KEYS[encrypted.tag])
    _check_session_key(peek(session_key.body, session_key.length), our_key_ids)
    if encrypted.tag != _ENCRYPTED_PROTECTED:
        _refuse_second(encrypted.tag)
    if peek(encrypted.body, 1) not in {b"", b"\x01"}:
        raise EnvelopeUnsupported
    end = _end(peek, encrypted, size)
    if end > size or encrypted.body >= size:
        raise EnvelopeTruncated
    if end < size:
        raise EnvelopeTrailing


def _refuse_text(start: bytes) -> NoReturn:
    found = _ARMOUR.search(start)
    if found is None:
        raise EnvelopeNotOpenPgp
    raise EnvelopeClearSigned if found[1] == b"SIGNED" else EnvelopeArmoured


def _refuse_first(tag: int) -> NoReturn:
    if tag in _READABLE:
        raise EnvelopeNotEncrypted(f"The message is not encrypted: it is {_READABLE[tag]}.")
    if tag == _PASSPHRASE_KEY:
        raise EnvelopeRecipient("The message is encrypted to a passphrase.")
    if tag in {_ENCRYPTED_PROTECTED, _ENCRYPTED_AEAD}:
        raise EnvelopeRecipient("The message names no key that it is encrypted to.")
    if tag == _ENCRYPTED_BARE:
        raise EnvelopeNoIntegrity
    if tag in _KEY_MATERIAL:
        raise EnvelopeNotOpenPgp("The file holds a key, not a message.")
    raise EnvelopeNotOpenPgp


def _refuse_second(tag: int) -> NoReturn:
    if tag == _ENCRYPTED_BARE:
        raise EnvelopeNoIntegrity
    if tag == _ENCRYPTED_AEAD:
        raise EnvelopeUnsupported
    raise EnvelopeDamaged("What follows the message's key is not its encrypted part.")


def _check_session_key(body: bytes, our_key_ids: frozenset[str]) -> None:
    if body[:1] != b"\x03":
        raise EnvelopeUnsupported
    if len(body) < 9:
        raise EnvelopeDamaged("The message's key is of an impossible length.")
    key_id = body[1:9].hex().upper()
    if key_id == "0" * 16:
        raise EnvelopeRecipient("The message hides the key that it is encrypted to.")
    if key_id not in our_key_ids:
        raise EnvelopeRecipient("The message is encrypted to another key than ours.")
    _check_canonical(body)


def _check_canonical(body: bytes) -> None:
    """Refuse spare spellings of the same session key, which gpg would read as one: every altered bit has to show.

    Nothing protects this packet but its own form. Lengths in bits have to be exact, a Curve25519 point has its prefix
    and no 256th bit (RFC 7748 section 5), and nothing follows.
    """
    algorithm, at = body[9] if len(body) > 9 else 0, 10
    for _ in range(_INTEGERS.get(algorithm, 0)):
        at = _after_integer(body, at)
    if algorithm == _ECDH:
        point = body[12:at]
        if len(point) == _CURVE25519_POINT and (point[0] != _CURVE25519_PREFIX or point[-1] & 0x80):
            raise EnvelopeDamaged("The message's key is not in its one proper form.")
        at += 1 + (body[at] if at < len(body) else 0)
    if algorithm in _INTEGERS and at != len(body):
        raise EnvelopeDamaged("The message's key is not in its one proper form.")


def _after_integer(body: bytes, at: int) -> int:
    """Where the multiprecision integer at an offset ends (RFC 4880 section 3.2)."""
    bits = int.from_bytes(body[at : at + 2], "big")
    end = at + 2 + (bits + 7) // 8
    if end > len(body) or int.from_bytes(body[at + 2 : end], "big").bit_length() != bits:
        raise EnvelopeDamaged("The message's key is not in its one proper form.")
    return end


def _header(peek: Peek, at: int) -> _Header:
    """The packet header at an offset, in the old form or the new."""
    octets = peek(at, 6)
    if not octets[0] & 0x80:
        raise EnvelopeDamaged("The message is not a row of OpenPGP packets.")
    if octets[0] & 0x40:
        tag = octets[0] & 0x3F
        width, length, partial = _new_length(octets[1:])
        return _Header(tag, at + 1 + width, length, partial)
    tag = octets[0] >> 2 & 0x0F
    width = (1, 2, 4, 0)[octets[0] & 0x03]
    if width == 0:
        # An old header without a length runs to the end of the file; only readable packets may be written so.
        return _Header(tag, at + 1, 0, partial=True)
    if len(octets) < 1 + width:
        raise EnvelopeTruncated
    return _Header(tag, at + 1 + width, int.from_bytes(octets[1 : 1 + width], "big"), partial=False)


def _new_length(octets: bytes) -> tuple[int, int, bool]:
    """Octets of the length itself, the length, and whether more chunks follow (RFC 4880 section 4.2.2)."""
    if not octets:
        raise EnvelopeTruncated("The message ends within a length.")
    first = octets[0]
    if first < 192:
        return 1, first, False
    if first < 224:
        if len(octets) < 2:
            raise EnvelopeTruncated("The message ends within a length.")
        return 2, (first - 192 << 8) + octets[1] + 192, False
    if first < 255:
        return 1, 1 << (first & 0x1F), True
    if len(octets) < 5:
        raise EnvelopeTruncated("The message ends within a length.")
    return 5, int.from_bytes(octets[1:5], "big"), False


def _end(peek: Peek, header: _Header, size: int) -> int:
    """Where the packet ends, following its chunks."""
    at, length, partial = header.body, header.length, header.partial
    while partial:
        if length < _SHORTEST_CHUNK:
            raise EnvelopeDamaged("The message is cut into smaller chunks than the standard allows.")
        at += length
        if at >= size:
            raise EnvelopeTruncated
        width, length, partial = _new_length(peek(at, 5))
        at += width
    return at + length
