"""Signatures in gpg's status lines: whose, how strong, and whether they hold at the gateway's own clock.

Raises the subclasses of EnvelopeRefused that are about signatures and signers, and CryptoFailed for lines in a form that is
not known here. Pure: no file, no process, no clock.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

from gateway.crypto.gnupg.certificates import KeySet, expired
from gateway.crypto.gnupg.process_limits import Run
from gateway.crypto.gnupg.status_words import KNOWN, NEVER
from gateway.errors import (
    CryptoFailed,
    EnvelopeDamaged,
    SignatureBad,
    SignatureExpired,
    SignatureMissing,
    SignatureMultiple,
    SignatureWeak,
    SignerExpired,
    SignerOtherPartner,
    SignerRevoked,
    SignerSuperseded,
    SignerUnknown,
)

_STRONG_HASHES: Final = frozenset({"8", "9", "10", "12", "14"})
"""SHA-256, SHA-384, SHA-512, SHA3-256, SHA3-512 (RFC 9580 section 9.5)."""
_WEAK_HASHES: Final = frozenset({"1", "2", "3", "11"})
_BINARY_DOCUMENT: Final = "00"
TEXT_DOCUMENT: Final = "01"
"""The class of a signature over text, which a clear-signed message has (RFC 9580, section 5.2.1)."""
_NO_PUBLIC_KEY: Final = "9"


@dataclass(frozen=True)
class Pin:
    """A certificate pinned for the partner: accepted until a date where it is the one before, never where revoked."""

    keys: KeySet
    until: float | None = None
    revoked: bool = False


@dataclass(frozen=True)
class Terms:
    """Whose message it has to be, whom it has to be for, and what the gateway's clock says.

    Both sides have one certificate each, or two while a key is being rotated; the current one comes first. `others` are
    the key ids that are pinned for other partners: a message of theirs is refused by a name of its own.
    """

    partner: tuple[Pin, ...]
    own: tuple[KeySet, ...]
    now: float
    others: frozenset[str] = frozenset()

    def encryption_ids(self) -> frozenset[str]:
        """The ids of every key of ours that somebody may have encrypted to."""
        return frozenset().union(*(keys.encryption_ids() for keys in self.own))

    def pin(self, primary: str) -> Pin | None:
        return next((pin for pin in self.partner if pin.keys.primary.fingerprint == primary), None)


@dataclass(frozen=True)
class Signature:
    """A VALIDSIG line (GnuPG's doc/DETAILS)."""

    fingerprint: str
    signed_at: float
    expires: float | None
    hash_algorithm: str
    signature_class: str
    primary: str


def is_signed_by(run: Run, keys: KeySet) -> bool:
    """Whether gpg found one good detached signature by that certificate, strong, and no trouble; expiry is not judged."""
    counts = run.counts
    if run.ended is not None or run.returncode != 0 or not set(counts) <= KNOWN:
        return False
    if any(counts[keyword] for keyword in NEVER - {"EXPKEYSIG"}):
        return False
    good = counts["GOODSIG"] + counts["EXPKEYSIG"]
    if not counts["NEWSIG"] == counts["VALIDSIG"] == good == 1:
        return False
    (fields,) = fields_of(run, "VALIDSIG", 10)
    signature = _signature(fields)
    key = keys.key(signature.fingerprint)
    return (
        signature.primary == keys.primary.fingerprint
        and key is not None
        and not (key.revoked or keys.primary.revoked)
        and signature.signature_class == _BINARY_DOCUMENT
        and signature.hash_algorithm in _STRONG_HASHES
    )


def check_signature_count(run: Run, counts: Counter[str]) -> None:
    if counts["NEWSIG"] > 1:
        raise SignatureMultiple
    if counts["NEWSIG"] == 0:
        if run.returncode != 0:
            raise EnvelopeDamaged("The message's content cannot be read.")
        raise SignatureMissing


def check_signature(run: Run, counts: Counter[str], terms: Terms, kind: str = _BINARY_DOCUMENT) -> Signature:
    """One good signature of that class, by a pinned key, strong, and valid at the gateway's own clock."""
    for fields in fields_of(run, "ERRSIG", 6):
        _refuse_unchecked(fields, terms)
    if counts["BADSIG"]:
        raise SignatureBad
    signatures = [_signature(fields) for fields in fields_of(run, "VALIDSIG", 10)]
    if len(signatures) > 1:
        raise SignatureMultiple
    if not signatures:
        raise SignatureBad("GnuPG did not confirm the signature.")
    signature = signatures[0]
    pin = terms.pin(signature.primary)
    if pin is None:
        raise SignerUnknown
    primary, key = pin.keys.primary, pin.keys.key(signature.fingerprint)
    if key is None:
        raise SignerUnknown("The signature is by a key that the partner's certificate does not have.")
    if counts["REVKEYSIG"] or counts["KEYREVOKED"] or key.revoked or primary.revoked or pin.revoked:
        raise SignerRevoked
    if counts["EXPKEYSIG"] or expired(key.expires, terms.now) or expired(primary.expires, terms.now):
        raise SignerExpired
    if expired(pin.until, terms.now):
        raise SignerSuperseded
    if counts["EXPSIG"] or expired(signature.expires, terms.now):
        raise SignatureExpired
    if signature.signature_class != kind or signature.hash_algorithm not in _STRONG_HASHES:
        raise SignatureWeak
    if counts["GOODSIG"] != 1:
        raise SignatureBad("GnuPG does not call the signature good.")
    return signature


def _refuse_unchecked(fields: list[str], terms: Terms) -> None:
    """A signature that gpg could not check: ERRSIG keyid, algorithm, hash, class, time, reason, fingerprint."""
    key_id, hash_algorithm, reason = fields[0], fields[2], fields[5]
    if key_id in terms.others:
        raise SignerOtherPartner
    if reason == _NO_PUBLIC_KEY or all(key.key_id != key_id for pin in terms.partner for key in pin.keys.keys):
        raise SignerUnknown
    if hash_algorithm in _WEAK_HASHES:
        raise SignatureWeak
    raise SignatureBad("GnuPG could not check the signature.")


def fields_of(run: Run, keyword: str, least: int) -> list[list[str]]:
    """The fields of every line of that keyword; a line with fewer than `least` is not from a gpg we know."""
    found = []
    for line in run.lines:
        first, *rest = line.split(" ")
        if first == keyword:
            if len(rest) < least:
                raise CryptoFailed(f"GnuPG reports {keyword} in a form that this gateway does not know.")
            found.append(rest)
    return found


def _signature(fields: list[str]) -> Signature:
    """VALIDSIG: fingerprint, date, time, expiry, version, reserved, key algorithm, hash, class, primary fingerprint."""
    try:
        signed_at, expires = float(int(fields[2])), float(int(fields[3]))
    except ValueError as error:
        raise CryptoFailed("GnuPG reports the signature's time in a form that this gateway does not know.") from error
    return Signature(fields[0], signed_at, expires or None, fields[7], fields[8], fields[9])
