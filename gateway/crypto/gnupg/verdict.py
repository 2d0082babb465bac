"""The judge: from gpg's status lines and exit status alone, whether a message is accepted.

Acceptance asks for exactly one of each line that a well-formed message gives, in their order, and for none of those
that tell of trouble; gpg's exit status alone proves nothing (it is 0 for unsigned messages, and for signatures by revoked
and by expired keys). Pure: no file, no process, no clock.

`judge_opening` raises the subclass of EnvelopeRefused that names what is wrong with the message, or, where the fault lies
on this side, KeyAgentAway, OwnKeyUnusable or CryptoFailed. `judge_sealing` raises PartnerKeyUnusable, OwnKeyUnusable,
KeyAgentAway or CryptoFailed. A keyword that this module does not know is CryptoFailed: gpg is then newer than
what was checked here.
"""

from __future__ import annotations

import signal
from collections import Counter
from dataclasses import dataclass
from typing import Final

from gateway.crypto.gnupg.process_limits import Ended, Run
from gateway.crypto.gnupg.signature import Terms, check_signature, check_signature_count, fields_of
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
)

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
class Accepted:
    """What an accepted message says: the primary fingerprints of its signer and of our key that it was encrypted to, and
    the signer's own claim of when it was signed.
    """

    signer: str
    encrypted_to: str
    signed_at: float


def judge_opening(run: Run, terms: Terms) -> Accepted:
    """Accept the message that gave these lines, or raise the error that says why not."""
    counts = run.counts
    _check_end(run, counts)
    check_known(counts)
    encrypted_to = _check_encryption(run, counts, terms)
    _check_wholeness(run, counts)
    check_signature_count(run, counts)
    signature = check_signature(run, counts, terms)
    _check_everything(run, counts)
    return Accepted(signature.primary, encrypted_to, signature.signed_at)


def judge_sealing(run: Run) -> None:
    """Return if gpg signed and encrypted everything; else raise what kept it from it."""
    counts = run.counts
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


def check_known(counts: Counter[str]) -> None:
    """CryptoFailed where gpg says a word that no tested version of it says."""
    if not counts.keys() <= KNOWN:
        raise CryptoFailed("GnuPG reports what this gateway does not know; it is another version than those tested.")


def _check_encryption(run: Run, counts: Counter[str], terms: Terms) -> str:
    """Encrypted, and to us alone; the primary fingerprint of our key that it was encrypted to."""
    recipients = [fields[0] for fields in fields_of(run, "ENC_TO", 1)]
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
        # Altered bytes decrypt to random ones, so the lines that follow mean nothing.
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
    for fields in fields_of(run, "DECRYPTION_KEY", 2):
        if fields[1] != own:
            raise EnvelopeRecipient
    for fields in fields_of(run, "DECRYPTION_INFO", 2):
        if fields[0] == _MDC_METHOD_NONE:
            raise EnvelopeNoIntegrity
    return own


def _session_key_altered(run: Run) -> bool:
    """Whether our key is there and does not fit: GnuPG 2.4 says NO_SECKEY for both, and the cause in an ERROR."""
    causes = [fields[1] for fields in fields_of(run, "ERROR", 1) if fields[0] == "pkdecrypt_failed" and len(fields) > 1]
    return bool(causes) and all(cause.isdecimal() and int(cause) & _CAUSE in _MISFITS for cause in causes)


def _check_wholeness(run: Run, counts: Counter[str]) -> None:
    """Decrypted to its end, with its integrity code, and nothing after it."""
    if any(fields[0] in _SECOND_CONTENT for fields in fields_of(run, "ERROR", 1)):
        raise EnvelopeTrailing
    if counts["DECRYPTION_FAILED"] or counts["TRUNCATED"]:
        raise EnvelopeDamaged
    if any(fields[0] == _TRAILING_NODATA for fields in fields_of(run, "NODATA", 1)) and counts["END_DECRYPTION"]:
        raise EnvelopeTrailing
    if counts["UNEXPECTED"] and counts["PLAINTEXT"]:
        raise EnvelopeTrailing
    if not counts["BEGIN_DECRYPTION"] or not counts["PLAINTEXT"]:
        raise EnvelopeDamaged("The message holds no content.")


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


def _trouble(run: Run) -> str:
    """The keywords of trouble, and never their values: those can hold what a partner wrote."""
    keywords = dict.fromkeys(line.partition(" ")[0] for line in run.lines)
    return "".join(f", {keyword}" for keyword in keywords if keyword in NEVER)
