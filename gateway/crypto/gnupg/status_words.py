"""The keywords of gpg's status lines (GnuPG's doc/DETAILS), sorted by what they mean for an incoming message."""

from __future__ import annotations

from typing import Final

ONCE: Final = (
    "ENC_TO",
    "BEGIN_DECRYPTION",
    "PLAINTEXT",
    "NEWSIG",
    "GOODSIG",
    "VALIDSIG",
    "DECRYPTION_OKAY",
    "GOODMDC",
    "END_DECRYPTION",
)
"""What an accepted message gives exactly once, in this order."""

NEVER: Final = frozenset(
    {
        "ALREADY_SIGNED",
        "ASSERT_PUBKEY_ALGO",
        "ASSERT_SIGNER",
        "BADARMOR",
        "BADMDC",
        "BADSIG",
        "BAD_PASSPHRASE",
        "CANCELED_BY_USER",
        "DECRYPTION_FAILED",
        "ERRMDC",
        "ERROR",
        "ERRSIG",
        "EXPKEYSIG",
        "EXPSIG",
        "FAILURE",
        "FILE_ERROR",
        "GET_BOOL",
        "GET_HIDDEN",
        "GET_LINE",
        "GOT_IT",
        "INV_RECP",
        "INV_SGNR",
        "KEYREVOKED",
        "KEY_NOT_CREATED",
        "MISSING_PASSPHRASE",
        "NEED_PASSPHRASE",
        "NEED_PASSPHRASE_PIN",
        "NEED_PASSPHRASE_SYM",
        "NODATA",
        "NO_PUBKEY",
        "NO_RECP",
        "NO_SECKEY",
        "NO_SGNR",
        "PLAINDEV",
        "REVKEYSIG",
        "SC_OP_FAILURE",
        "SESSION_KEY",
        "TRUNCATED",
        "UNEXPECTED",
    }
)
"""What an accepted message never gives."""

INDIFFERENT: Final = frozenset(
    {
        "ATTRIBUTE",
        "BACKUP_KEY_CREATED",
        "BEGIN_ENCRYPTION",
        "BEGIN_SIGNING",
        "CARDCTRL",
        "DECRYPTION_COMPLIANCE_MODE",
        "DECRYPTION_INFO",
        "DECRYPTION_KEY",
        "DELETE_PROBLEM",
        "ENCRYPTION_COMPLIANCE_MODE",
        "END_ENCRYPTION",
        "EXPORTED",
        "EXPORT_RES",
        "FILE_DONE",
        "FILE_START",
        "GOOD_PASSPHRASE",
        "IMPORTED",
        "IMPORT_CHECK",
        "IMPORT_OK",
        "IMPORT_PROBLEM",
        "IMPORT_RES",
        "INQUIRE_MAXLEN",
        "KEYEXPIRED",
        "KEY_CONSIDERED",
        "KEY_CREATED",
        "NOTATION_DATA",
        "NOTATION_FLAGS",
        "NOTATION_NAME",
        "PINENTRY_LAUNCHED",
        "PKA_TRUST_BAD",
        "PKA_TRUST_GOOD",
        "PLAINTEXT_FOLLOWS",
        "PLAINTEXT_LENGTH",
        "POLICY_URL",
        "PROGRESS",
        "SC_OP_SUCCESS",
        "SIGEXPIRED",
        "SIG_CREATED",
        "SIG_ID",
        "SIG_SUBPACKET",
        "SUCCESS",
        "TOFU_STATS",
        "TOFU_STATS_LONG",
        "TOFU_STATS_SHORT",
        "TOFU_USER",
        "TRUST_EXPIRED",
        "TRUST_FULLY",
        "TRUST_MARGINAL",
        "TRUST_NEVER",
        "TRUST_ULTIMATE",
        "TRUST_UNDEFINED",
        "USERID_HINT",
        "VERIFICATION_COMPLIANCE_MODE",
        "WARNING",
    }
)
"""What decides nothing.

KEYEXPIRED and SIGEXPIRED are among them: gpg gives them for any key it passes on its way, and says EXPKEYSIG and EXPSIG of
the one that signed.
"""

KNOWN: Final = frozenset(ONCE) | NEVER | INDIFFERENT
"""Every keyword of GnuPG 2.2 and 2.4; another one comes from a version that was not checked here."""
