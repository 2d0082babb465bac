"""Clear-signed text: signing a line of ASCII, and judging what gpg says of one (RFC 9580, section 7).

`clear_sign` raises OwnKeyUnusable, KeyAgentAway and CryptoFailed; `judge_clear_signed` the subclass of EnvelopeRefused that
names what is wrong, or CryptoFailed. Why it is safe: gpg says nothing of text around a message, so who calls this asks for one
fixed form first (`domain.statement`); here exactly one good signature over text counts.
"""

from __future__ import annotations

from gateway.crypto.gnupg.gpg_process import GpgProcess
from gateway.crypto.gnupg.process_limits import Ended, ProcessLimits, Run
from gateway.crypto.gnupg.signature import TEXT_DOCUMENT, Terms, check_signature, check_signature_count
from gateway.crypto.gnupg.status_words import NEVER
from gateway.crypto.gnupg.verdict import check_known
from gateway.errors import CryptoFailed, EnvelopeDamaged, EnvelopeExhausting, KeyAgentAway, OwnKeyUnusable


def clear_sign(gpg: GpgProcess, text: bytes, signer: str) -> bytes:
    """The message, signed by the key of that primary fingerprint."""
    with gpg.within(ProcessLimits()):
        made = gpg.sign(text, clearsign=True, extra_args=["--digest-algo", "SHA256", "--local-user", signer])
    run = gpg.last
    if run.ended is Ended.DEADLINE:
        raise KeyAgentAway
    counts = run.counts
    if counts["INV_SGNR"] or counts["NO_SGNR"] or counts["NO_SECKEY"]:
        raise OwnKeyUnusable("GnuPG does not sign with our key.")
    if run.returncode != 0 or counts["SIG_CREATED"] != 1 or not made.data:
        raise CryptoFailed(f"GnuPG did not sign (exit status {run.returncode}).")
    return bytes(made.data)


def judge_clear_signed(run: Run, terms: Terms) -> str:
    """The primary fingerprint of the one good signature that gave these lines."""
    counts = run.counts
    if run.ended is not None:
        raise EnvelopeExhausting(f"Reading the message was broken off: {run.ended.value}.")
    check_known(counts)
    check_signature_count(run, counts)
    signature = check_signature(run, counts, terms, TEXT_DOCUMENT)
    if run.returncode != 0 or any(counts[keyword] for keyword in NEVER):
        raise EnvelopeDamaged(f"GnuPG does not accept the message (exit status {run.returncode}).")
    return signature.primary
