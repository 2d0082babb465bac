"""Errors of the OpenPGP message itself: it is locked away. docs/wire-format.md has the rule, under "The acceptance rule"."""

from __future__ import annotations

from gateway.errors.quarantine import Quarantine


class EnvelopeRefused(Quarantine):
    """The OpenPGP message breaks the acceptance rule."""


class EnvelopeNotOpenPgp(EnvelopeRefused):
    """The file is not a binary OpenPGP message."""

    code = "envelope-not-openpgp"


class EnvelopeUnsupported(EnvelopeNotOpenPgp):
    """The message is encrypted in a form that this gateway does not read: AEAD, or packets of a later version."""

    code = "envelope-unsupported"
    remedy = "Ask the partner to seal as docs/wire-format.md says; GnuPG does so for a card made by `gateway card`."


class EnvelopeArmoured(EnvelopeRefused):
    """The message is armoured; only binary messages are accepted."""

    code = "envelope-armoured"


class EnvelopeClearSigned(EnvelopeArmoured):
    """The message is a text signed in clear, and not encrypted."""

    code = "envelope-clear-signed"


class EnvelopeNotEncrypted(EnvelopeRefused):
    """The message is not encrypted."""

    code = "envelope-not-encrypted"


class EnvelopeRecipient(EnvelopeRefused):
    """The message is not encrypted to exactly our key."""

    code = "envelope-recipient"


class EnvelopeMoreRecipients(EnvelopeRecipient):
    """The message can be opened by somebody else besides us, with another key or with a passphrase."""

    code = "envelope-more-recipients"


class EnvelopeNoIntegrity(EnvelopeRefused):
    """The message is encrypted without integrity protection."""

    code = "envelope-no-integrity"


class EnvelopeDamaged(EnvelopeRefused):
    """The message is altered, or not in its one proper form."""

    code = "envelope-damaged"


class EnvelopeTruncated(EnvelopeDamaged):
    """The message is shorter than it says."""

    code = "envelope-truncated"


class EnvelopeTrailing(EnvelopeRefused):
    """More than one message, or data after the message."""

    code = "envelope-trailing"


class EnvelopeTooLarge(EnvelopeRefused):
    """The message unpacks to more than the limit."""

    code = "envelope-too-large"


class EnvelopeExhausting(EnvelopeRefused):
    """Reading the message takes more time or memory than the limit."""

    code = "envelope-exhausting"


class SignatureMissing(EnvelopeRefused):
    """The message is not signed."""

    code = "signature-missing"


class SignatureBad(EnvelopeRefused):
    """The signature does not fit the content."""

    code = "signature-bad"


class SignatureMultiple(EnvelopeRefused):
    """The message has more than one signature."""

    code = "signature-multiple"


class SignatureWeak(EnvelopeRefused):
    """The signature's class or hash is not one that we accept (binary document, SHA-256 or stronger)."""

    code = "signature-weak"


class SignatureExpired(EnvelopeRefused):
    """The signature itself has expired."""

    code = "signature-expired"


class SignerUnknown(EnvelopeRefused):
    """The signature is by a key that is not the partner's."""

    code = "signer-unknown"


class SignerOtherPartner(SignerUnknown):
    """The signature says that it is by another partner's key than that of the landing in which the message lay."""

    code = "signer-other-partner"


class SignerExpired(EnvelopeRefused):
    """The partner's key has expired."""

    code = "signer-expired"
    remedy = "Ask the partner for a new card with an extended or new key; the sender has to seal the content again."


class SignerRevoked(EnvelopeRefused):
    """The partner's key is revoked."""

    code = "signer-revoked"


class SignerSuperseded(EnvelopeRefused):
    """The partner has a new key, and the time in which its old one was still accepted is over."""

    code = "signer-superseded"
    remedy = (
        "Ask the partner to run `gateway keys list`, and to seal the content again with the new key; what it sent with "
        "the old one comes back to its operators there."
    )
