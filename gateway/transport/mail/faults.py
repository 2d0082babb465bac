"""What a broken mail server means: every error of smtplib, imaplib, of TLS and of the network, as an error of the gateway.

`translate` is total over FAULTS. Nothing that a server said is quoted: it is text from outside, and reasons go to logs and ledger.
"""

from __future__ import annotations

import imaplib
import smtplib
import ssl
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.errors import (
    CertificateRefused,
    GatewayError,
    LinkBroken,
    LinkTimeout,
    MailLoginRefused,
    MailTooLarge,
    PartnerUnreachable,
    RemoteDiskFull,
    RemoteRefused,
)

FAULTS: Final[tuple[type[Exception], ...]] = (OSError, imaplib.IMAP4.error, ValueError)
"""What a call into smtplib or imaplib may raise; smtplib's errors are OSErrors. imaplib tells most by IMAP4.error, and
numbers of thousands of digits by ValueError.
"""

_TOO_LARGE: Final = 552
_NO_ROOM: Final = 452
"""RFC 5321, section 4.2.3, and RFC 1870, section 6."""

_MEANING: Final[Mapping[type[BaseException], type[GatewayError]]] = MappingProxyType(
    {
        smtplib.SMTPAuthenticationError: MailLoginRefused,
        smtplib.SMTPServerDisconnected: LinkBroken,
        smtplib.SMTPException: RemoteRefused,
        imaplib.IMAP4.abort: LinkBroken,
        imaplib.IMAP4.error: RemoteRefused,
        ssl.SSLCertVerificationError: CertificateRefused,
        ssl.SSLError: LinkBroken,
        TimeoutError: LinkTimeout,
        UnicodeError: PartnerUnreachable,
        ValueError: LinkBroken,
        OSError: LinkBroken,
    }
)


def translate(error: BaseException, *, connecting: bool = False) -> GatewayError:
    """The gateway's error for one of FAULTS; `connecting` says that nothing was said yet, so silence means unreachable."""
    if isinstance(error, smtplib.SMTPResponseException) and not isinstance(error, smtplib.SMTPAuthenticationError):
        if error.smtp_code == _TOO_LARGE:
            return MailTooLarge("the mail server takes no message of that size")
        if error.smtp_code == _NO_ROOM:
            return RemoteDiskFull("the mail server has no room")
        return RemoteRefused(f"the mail server does not take the message (SMTP reply {error.smtp_code})")
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return RemoteRefused("the mail server does not take mail to the partner's address")
    meaning = next(_MEANING[cls] for cls in type(error).__mro__ if cls in _MEANING)
    if isinstance(error, UnicodeError) and not connecting:
        return MailLoginRefused(
            "the name or the password has characters that the mail server's protocol does not carry"
        )
    if connecting and meaning is LinkBroken:
        return PartnerUnreachable("the mail server cannot be reached, or does not speak TLS there")
    if meaning is RemoteRefused:
        return RemoteRefused("the mail server does not do what it was asked")
    return meaning()
