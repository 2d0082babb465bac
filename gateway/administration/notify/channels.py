"""The ways by which a notice goes: e-mail by SMTP, a webhook by HTTPS. Both talk TLS 1.2 or later to a server that proves its name.

A channel connects to the one server that the settings name: no proxy, no redirection. Raises NoticeFailed, with what the server answered
as a number and never in its words, which could hold an address; SecretExposed for a secret that others can read.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import orjson

from gateway.administration.notify.notice import Notice
from gateway.domain.identity import from_text
from gateway.errors import NoticeFailed
from gateway.settings.home import Home
from gateway.settings.notify import Channel, MailChannel, WebhookChannel
from gateway.settings.secrets import Secrets

ANSWER_SECONDS: Final = 20.0
"""How long a server may take to connect, and for each answer."""
_LATE: Final = "no answer in time"
_PREFIX: Final = "whsec_"
_LEAST_SECRET: Final = 24
"""Bytes of a signing secret at least (Standard Webhooks, "Signature scheme")."""


def send(channel: Channel, name: str, notice: Notice, secrets: Secrets, now: float) -> int:
    """Send a notice through the channel of that name, at that moment; how many of a mail's recipients the server refused, as long as it
    took one.
    """
    with _translated():
        match channel:
            case MailChannel():
                return _mail(channel, notice, secrets, name)
            case WebhookChannel():
                _post(channel, notice, secret_of(secrets, name), secrets.home, now)
                return 0


def _mail(channel: MailChannel, notice: Notice, secrets: Secrets, name: str) -> int:
    context = _context(channel, secrets.home)
    here = socket.gethostname()
    server: smtplib.SMTP
    if channel.tls == "implicit":
        server = smtplib.SMTP_SSL(channel.host, channel.port, here, timeout=ANSWER_SECONDS, context=context)
    else:
        server = smtplib.SMTP(channel.host, channel.port, here, timeout=ANSWER_SECONDS)
    with closing(server):
        if channel.tls == "starttls":
            server.starttls(context=context)  # raises where the server has none: nothing goes in the clear
        if channel.user:
            server.login(channel.user, secret_of(secrets, name))
        refused = server.send_message(message_of(channel, notice), channel.sender, channel.recipients)
        _say_goodbye(server)
        return len(refused)


def _say_goodbye(server: smtplib.SMTP) -> None:
    """The server has the message: whatever goes wrong now, it is not sent again."""
    try:
        server.quit()
    except (OSError, smtplib.SMTPException):
        return


def message_of(channel: MailChannel, notice: Notice) -> EmailMessage:
    """The mail. Its Message-ID is the notice's, so that mail programs show one that came twice as one."""
    message = EmailMessage()
    message["From"] = channel.sender
    message["To"] = ", ".join(channel.recipients)
    message["Subject"] = notice.subject
    message["Date"] = format_datetime(datetime.fromtimestamp(from_text(notice.created), UTC))
    message["Message-ID"] = f"<{notice.id}@{channel.sender.rpartition('@')[2]}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: nothing answers it by itself
    if any(line.level == "error" for line in notice.lines):
        message["Importance"] = "high"
    message.set_content(notice.text)
    return message


def _post(channel: WebhookChannel, notice: Notice, secret: str, home: Home, now: float) -> None:
    body = orjson.dumps(notice.content)
    parts = urlsplit(channel.url)
    host, port = channel.server
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with closing(HTTPSConnection(host, port, timeout=ANSWER_SECONDS, context=_context(channel, home))) as connection:
        connection.request("POST", path, body, signed_headers(notice.id, now, body, key_of(secret)))
        status = connection.getresponse().status
    if not 200 <= status < 300:
        raise NoticeFailed(f"the server answered with status {status}")


def signed_headers(identity: str, now: float, body: bytes, key: bytes) -> dict[str, str]:
    """The headers of a webhook, with a signature over id, time and body.

    Source: Standard Webhooks (standardwebhooks.com), symmetric signatures, `v1`. The receiver refuses a time that is minutes off, and an id
    that it has seen.
    """
    timestamp = str(int(now))
    signed = b".".join((identity.encode(), timestamp.encode(), body))
    signature = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
    return {
        "Content-Type": "application/json",
        "User-Agent": "gateway",
        "webhook-id": identity,
        "webhook-timestamp": timestamp,
        "webhook-signature": f"v1,{signature}",
    }


def key_of(secret: str) -> bytes:
    """The key of a signing secret, `whsec_` and base64; NoticeFailed where it is none, or too short to sign with."""
    try:
        key = base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error:
        key = b""
    if not secret.startswith(_PREFIX) or len(key) < _LEAST_SECRET:
        raise NoticeFailed(f"the channel's secret is not {_PREFIX} and {_LEAST_SECRET} bytes or more in base64")
    return key


def secret_of(secrets: Secrets, name: str) -> str:
    """The channel's secret: the first line of its file."""
    path = secrets.of_channel(name)
    secrets.insist([path])
    try:
        secret = path.read_text(encoding="utf-8").partition("\n")[0].strip()
    except (OSError, UnicodeDecodeError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        raise NoticeFailed(f"the secret in {_shown(path, secrets.home)} cannot be read: {why}") from error
    if not secret:
        raise NoticeFailed(f"the secret in {_shown(path, secrets.home)} is empty")
    return secret


def _shown(path: Path, home: Home) -> str:
    return str(path.relative_to(home.root) if path.is_relative_to(home.root) else path)


def _context(channel: Channel, home: Home) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=str(home.config / channel.ca_file) if channel.ca_file else None)
    except (OSError, ssl.SSLError) as error:
        raise NoticeFailed("the certificates in `ca_file` cannot be read") from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (OSError, HTTPException, UnicodeError) as error:  # an error of smtplib or ssl is an OSError
        raise NoticeFailed(_why(error)) from error


def _why(error: Exception) -> str:
    if isinstance(error, smtplib.SMTPServerDisconnected) and isinstance(error.__context__, TimeoutError):
        return _LATE  # smtplib has one error for both
    match error:
        case ssl.SSLCertVerificationError():
            return f"the server's certificate is refused: {error.verify_message}"
        case ssl.SSLError():
            return f"TLS failed: {error.reason or 'the server broke off'}"
        case smtplib.SMTPAuthenticationError():
            return f"the log-in was refused: {error.smtp_code}"
        case smtplib.SMTPRecipientsRefused():
            return "the server takes it for none of the recipients"
        case smtplib.SMTPNotSupportedError():
            return "the server offers no STARTTLS, or no log-in"
        case smtplib.SMTPResponseException():
            return f"the server answered {error.smtp_code}"
        case smtplib.SMTPException() | HTTPException():
            return "the server broke off, or answers in another protocol"
        case UnicodeError():
            return "the log-in's name or password has letters that are not ASCII"
        case TimeoutError():
            return _LATE
        case socket.gaierror():
            return "the server's name cannot be resolved"
        case _:
            return f"no connection: {getattr(error, 'strerror', None) or type(error).__name__}"
