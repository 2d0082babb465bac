"""The judge: from gpg's status lines and exit status alone, whether a message is accepted.

Acceptance asks for exactly one of each line that a well-formed message gives, in their order, and for none of those
that tell of trouble; gpg's exit status alone proves nothing (it is 0 for unsigned messages, and for signatures by revoked
and by expired keys). Pure: no file, no process, no clock.

`judge_opening` raises the subclass of EnvelopeRefused that names what is wrong with the message, or, where the fault lies
on this side, KeyAgentAway, OwnKeyUnusable or CryptoFailed. `judge_sealing` raises PartnerKeyUnusable, OwnKeyUnusable,
KeyAgentAway or CryptoFailed. A keyword that this module has never heard of is not passed over: it is CryptoFailed, since
gpg is then newer than what was checked here.
"""

from __future__ import annotations

import signal
from collections import Counter
from dataclasses import dataclass
from typing import Final

from gateway.crypto.gnupg.certificates import KeySet, expired
from gateway.crypto.gnupg.process_limits import Ended, Run
from gateway.crypto.gnupg.status_words import KNOWN, NEVER, ONCE
from gateway.errors import (
    CryptoFailed,
    EnvelopeDamaged,
    EnvelopeExhausting,
    EnvelopeMoreRecipients,
    EnvelopeNoIntegrity,
    EnvelopeNotEncrypted,
    EnvelopeNotOpenPgp,
    EnvelopeRecipient,
    EnvelopeTrailing,
    KeyAgentAway,
    OwnKeyUnusable,
    PartnerKeyUnusable,
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
_NO_PUBLIC_KEY: Final = "9"
_MDC_METHOD_NONE: Final = "0"
_TRAILING_NODATA: Final = "3"
_CAUSE: Final = 0xFFFF
"""The part of one of libgpg-error's numbers that says what happened; the rest says where."""
_MISFITS: Final = frozenset({10, 18, 30, 65, 79, 200})
"""A session key that decrypts to nothing sensible, as libgpg-error numbers it: CHECKSUM, WRONG_SECKEY, BAD_MPI, INV_OBJ,
INV_DATA, BUFFER_TOO_SHORT. A key that is not there would be 17, NO_SECKEY.
"""
_SECOND_CONTENT: Final = frozenset({"decryption.early_plaintext", "proc_pkt.plaintext"})
"""Where gpg finds that content came already: another message within or after the first."""


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
class Accepted:
    """What an accepted message says: the primary fingerprints of its signer and of our key that it was encrypted to, and
    the signer's own claim of when it was signed.
    """

    signer: str
    encrypted_to: str
    signed_at: float


@dataclass(frozen=True)
class _Signature:
    """A VALIDSIG line (GnuPG's doc/DETAILS)."""

    fingerprint: str
    signed_at: float
    expires: float | None
    hash_algorithm: str
    signature_class: str
    primary: str


def judge_opening(run: Run, terms: Terms) -> Accepted:
    """Accept the message that gave these lines, or raise the error that says why not."""
    counts = Counter(line.partition(" ")[0] for line in run.lines)
    _check_end(run, counts)
    _check_known(counts)
    encrypted_to = _check_encryption(run, counts, terms)
    _check_wholeness(run, counts)
    _check_signature_count(run, counts)
    signature = _check_signature(run, counts, terms)
    _check_everything(run, counts)
    return Accepted(signature.primary, encrypted_to, signature.signed_at)


def is_signed_by(run: Run, keys: KeySet) -> bool:
    """Whether gpg found one good detached signature by that certificate, strong, and no trouble; expiry is not judged."""
    counts = Counter(line.partition(" ")[0] for line in run.lines)
    if run.ended is not None or run.returncode != 0 or not set(counts) <= KNOWN:
        return False
    if any(counts[keyword] for keyword in NEVER - {"EXPKEYSIG"}):
        return False
    good = counts["GOODSIG"] + counts["EXPKEYSIG"]
    if not counts["NEWSIG"] == counts["VALIDSIG"] == good == 1:
        return False
    (fields,) = _fields(run, "VALIDSIG", 10)
    signature = _signature(fields)
    key = keys.key(signature.fingerprint)
    return (
        signature.primary == keys.primary.fingerprint
        and key is not None
        and not (key.revoked or keys.primary.revoked)
        and signature.signature_class == _BINARY_DOCUMENT
        and signature.hash_algorithm in _STRONG_HASHES
    )


def judge_sealing(run: Run) -> None:
    """Return if gpg signed and encrypted everything; else raise what kept it from it."""
    counts = Counter(line.partition(" ")[0] for line in run.lines)
    if run.ended is Ended.DEADLINE and not counts["SIG_CREATED"]:
        raise KeyAgentAway
    if run.ended is not None:
        raise CryptoFailed(f"Sealing was broken off: {run.ended.value}.")
    if counts["INV_RECP"] or counts["NO_RECP"]:
        raise PartnerKeyUnusable("GnuPG does not encrypt to the partner's key.")
    if counts["INV_SGNR"] or counts["NO_SGNR"]:
        raise OwnKeyUnusable("GnuPG does not sign with our key.")
    complete = counts["SIG_CREATED"] == 1 and counts["END_ENCRYPTION"] == 1
    if run.returncode != 0 or not complete or counts["FAILURE"] or counts["ERROR"]:
        raise CryptoFailed(f"GnuPG did not seal (exit status {run.returncode}{_trouble(run)}).")


def _check_end(run: Run, counts: Counter[str]) -> None:
    """How the process ended, before anything it said."""
    if run.ended is Ended.DEADLINE and not counts["BEGIN_DECRYPTION"]:
        raise KeyAgentAway
    if run.ended is Ended.DEADLINE or run.ended is Ended.CHATTER:
        raise EnvelopeExhausting(f"Reading the message was broken off: {run.ended.value}.")
    if run.ended is not None:
        raise CryptoFailed(f"Reading the message was broken off: {run.ended.value}.")
    if run.returncode == -signal.SIGXCPU:
        raise EnvelopeExhausting("Reading the message takes more computing time than the limit.")
    if run.returncode in {-signal.SIGSEGV, -signal.SIGABRT, -signal.SIGBUS, -signal.SIGFPE, -signal.SIGILL}:
        raise EnvelopeDamaged("GnuPG broke down over the message.")
    if run.returncode < 0:
        raise CryptoFailed(f"GnuPG was ended from outside (signal {-run.returncode}).")
    if (
        run.returncode != 0
        and counts["BEGIN_DECRYPTION"] > counts["END_DECRYPTION"]
        and not _says_what_is_wrong(counts)
    ):
        raise EnvelopeDamaged(
            "GnuPG gave up in the middle of the message: its packets are broken, or too large for memory."
        )


def _says_what_is_wrong(counts: Counter[str]) -> bool:
    return any(counts[keyword] for keyword in NEVER)


def _check_known(counts: Counter[str]) -> None:
    unknown = sorted(set(counts) - KNOWN)
    if unknown:
        raise CryptoFailed("GnuPG reports what this gateway does not know; it is another version than those tested.")


def _check_encryption(run: Run, counts: Counter[str], terms: Terms) -> str:
    """Encrypted, and to us alone; the primary fingerprint of our key that it was encrypted to."""
    recipients = [fields[0] for fields in _fields(run, "ENC_TO", 1)]
    if not recipients and not counts["BEGIN_DECRYPTION"]:
        if counts["PLAINTEXT"]:
            raise EnvelopeNotEncrypted
        if counts["NEED_PASSPHRASE_SYM"]:
            raise EnvelopeRecipient("The message is encrypted to a passphrase.")
        if counts["NODATA"] or counts["UNEXPECTED"]:
            raise EnvelopeNotOpenPgp
        if run.returncode == 0:
            raise EnvelopeNotOpenPgp("GnuPG found no message.")
        raise CryptoFailed(f"GnuPG did not read the message (exit status {run.returncode}{_trouble(run)}).")
    if counts["BADMDC"] or counts["ERRMDC"]:
        # What altered bytes look like decrypted is chance; nothing is read into the lines that follow from it.
        raise EnvelopeDamaged
    ours = terms.encryption_ids()
    if counts["NEED_PASSPHRASE_SYM"] or any(recipient not in ours for recipient in recipients) or not recipients:
        raise EnvelopeRecipient
    if counts["BEGIN_DECRYPTION"] > 1 or counts["PLAINTEXT"] > 1:
        raise EnvelopeTrailing
    if len(recipients) > 1:
        raise EnvelopeMoreRecipients
    if counts["NO_SECKEY"] and not _session_key_altered(run):
        raise OwnKeyUnusable("The secret key that the message is encrypted to is missing.")
    own = next(keys.primary.fingerprint for keys in terms.own if recipients[0] in keys.encryption_ids())
    for fields in _fields(run, "DECRYPTION_KEY", 2):
        if fields[1] != own:
            raise EnvelopeRecipient
    for fields in _fields(run, "DECRYPTION_INFO", 2):
        if fields[0] == _MDC_METHOD_NONE:
            raise EnvelopeNoIntegrity
    return own


def _session_key_altered(run: Run) -> bool:
    """Whether our key is there and does not fit: GnuPG 2.4 says NO_SECKEY for both, and the cause in an ERROR."""
    causes = [fields[1] for fields in _fields(run, "ERROR", 1) if fields[0] == "pkdecrypt_failed" and len(fields) > 1]
    return bool(causes) and all(cause.isdecimal() and int(cause) & _CAUSE in _MISFITS for cause in causes)


def _check_wholeness(run: Run, counts: Counter[str]) -> None:
    """Decrypted to its end, with its integrity code, and nothing after it."""
    if any(fields[0] in _SECOND_CONTENT for fields in _fields(run, "ERROR", 1)):
        raise EnvelopeTrailing
    if counts["DECRYPTION_FAILED"] or counts["TRUNCATED"]:
        raise EnvelopeDamaged
    if any(fields[0] == _TRAILING_NODATA for fields in _fields(run, "NODATA", 1)) and counts["END_DECRYPTION"]:
        raise EnvelopeTrailing
    if counts["UNEXPECTED"] and counts["PLAINTEXT"]:
        raise EnvelopeTrailing
    if not counts["BEGIN_DECRYPTION"] or not counts["PLAINTEXT"]:
        raise EnvelopeDamaged("The message holds no content.")


def _check_signature_count(run: Run, counts: Counter[str]) -> None:
    if counts["NEWSIG"] > 1:
        raise SignatureMultiple
    if counts["NEWSIG"] == 0:
        if run.returncode != 0:
            raise EnvelopeDamaged("The message's content cannot be read.")
        raise SignatureMissing


def _check_signature(run: Run, counts: Counter[str], terms: Terms) -> _Signature:
    """One good signature, by a pinned key, strong, and valid at the gateway's own clock."""
    for fields in _fields(run, "ERRSIG", 6):
        _refuse_unchecked(fields, terms)
    if counts["BADSIG"]:
        raise SignatureBad
    signatures = [_signature(fields) for fields in _fields(run, "VALIDSIG", 10)]
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
    if signature.signature_class != _BINARY_DOCUMENT or signature.hash_algorithm not in _STRONG_HASHES:
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


def _check_everything(run: Run, counts: Counter[str]) -> None:
    """Nothing but what a good message gives, in order: whatever none of the named refusals caught."""
    if run.returncode != 0:
        raise EnvelopeDamaged(f"GnuPG did not accept the message (exit status {run.returncode}{_trouble(run)}).")
    trouble = sorted(keyword for keyword in NEVER if counts[keyword])
    if trouble:
        raise EnvelopeDamaged(f"GnuPG reports {', '.join(trouble)}.")
    order = tuple(keyword for line in run.lines if (keyword := line.partition(" ")[0]) in ONCE)
    if order != ONCE:
        raise EnvelopeDamaged("The message's parts are not in the order of a signed and encrypted message.")


def _fields(run: Run, keyword: str, least: int) -> list[list[str]]:
    """The fields of every line of that keyword; a line with fewer than `least` is not from a gpg we know."""
    found = []
    for line in run.lines:
        first, *rest = line.split(" ")
        if first == keyword:
            if len(rest) < least:
                raise CryptoFailed(f"GnuPG reports {keyword} in a form that this gateway does not know.")
            found.append(rest)
    return found


def _signature(fields: list[str]) -> _Signature:
    """VALIDSIG: fingerprint, date, time, expiry, version, reserved, key algorithm, hash, class, primary fingerprint."""
    try:
        signed_at, expires = float(int(fields[2])), float(int(fields[3]))
    except ValueError as error:
        raise CryptoFailed("GnuPG reports the signature's time in a form that this gateway does not know.") from error
    return _Signature(fields[0], signed_at, expires or None, fields[7], fields[8], fields[9])


def _trouble(run: Run) -> str:
    """The keywords of trouble, and never their values: those can hold what a partner wrote."""
    keywords = dict.fromkeys(line.partition(" ")[0] for line in run.lines)
    return "".join(f", {keyword}" for keyword in keywords if keyword in NEVER)
