"""The mail that carries one sealed file: written by `compose`, read by `attachment`, whoever wrote it.

The mailbox is open to everybody, so nothing here trusts a mail: only the outermost list of parts is looked at, in one pass and never
deeper, headers are bounded, and whose file it is the signature inside decides, not this module. `attachment` raises MailUnreadable.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from datetime import datetime
from email.message import EmailMessage, Message
from email.parser import BytesHeaderParser
from email.policy import SMTP, compat32
from email.utils import parseaddr
from typing import Final

from gateway.errors import MailUnreadable

HEADERS_BYTES: Final = 64 * 1024
"""Of a mail's headers, or of a part's; what is longer is not read."""
MOST_PARTS: Final = 32
_FIELD_CHARACTERS: Final = 4096
"""Of one field with parameters or addresses; `email` takes time that grows with the square of it, and a level of recursion for a few."""

_NAME: Final = re.compile(
    rb"(?<![0-9a-f-])([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?:\.receipt)?\.pgp)(?![0-9A-Za-z])"
)
_BLANK: Final = re.compile(rb"\r?\n\r?\n")
_SPACE: Final = re.compile(rb"[ \t\r\n]+")
_TEXT: Final = (
    "This mail was written by a gateway, for a gateway. The attachment is signed and encrypted;\n"
    "docs/wire-format.md says how to open it with gpg. Please leave the mail where it is.\n"
)


def compose(name: str, content: bytes, sender: str, recipient: str, at: datetime, unique: str) -> bytes:
    """A mail with one sealed file, as RFC 5322 and 2045 have it. `unique` is the mail's own: the same file may be sent again, and
    servers that throw away mails of an id that they know must not throw that one away.
    """
    mail = EmailMessage(policy=SMTP)
    mail["From"], mail["To"], mail["Date"] = sender, recipient, at
    mail["Subject"] = f"Gateway {name}"
    mail["Message-ID"] = f"<{unique}@{sender.partition('@')[2]}>"
    mail["Auto-Submitted"] = "auto-generated"
    mail.set_content(_TEXT)
    mail.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return mail.as_bytes()


def size_of(size: int) -> int:
    """About how many bytes a mail with a sealed file of that size has: base64 in lines of 76 characters, and the rest."""
    return (size + 2) // 3 * 4 // 76 * 78 + 4096


def sender_of(headers: bytes) -> str:
    """The address that a mail says it is from, in small letters; it is a claim of whoever wrote it."""
    written = str(_parsed(headers).get("From", ""))
    return (_read(written, lambda: parseaddr(written)[1]) or "").casefold()


def name_of(headers: bytes) -> str | None:
    """The name of the sealed file that a mail's subject speaks of, None where it speaks of none."""
    subject = str(_parsed(headers).get("Subject", ""))
    found = _NAME.search(subject.encode("ascii", "replace"))
    return None if found is None else found[1].decode()


def attachment(mail: bytes, name: str) -> bytes:
    """The bytes of the attachment of that name among the outermost parts."""
    head, body = _divided(mail)
    outermost = _parsed(head)
    boundary = _read(outermost.get("Content-Type"), outermost.get_boundary)
    if not boundary:
        raise MailUnreadable("the mail has no attachments")
    parts = body.split(b"--" + boundary.encode("latin-1", "replace"), MOST_PARTS + 1)
    if len(parts) > MOST_PARTS:
        raise MailUnreadable(f"the mail has more than {MOST_PARTS} parts")
    for part in parts[1:-1]:  # behind the last boundary is no part, or one that was cut off
        about, content = _divided(part.removeprefix(b"\r\n").removeprefix(b"\n"))
        headers = _parsed(about)
        if _filename(headers) == name:
            return _decoded(content, str(headers.get("Content-Transfer-Encoding", "")).strip().casefold())
    raise MailUnreadable("the mail does not have the attachment that its subject names")


def _filename(headers: Message) -> str | None:
    fields = f"{headers.get('Content-Disposition', '')}{headers.get('Content-Type', '')}"
    return _read(fields, headers.get_filename)


def _read(field: object, read: Callable[[], str | None]) -> str | None:
    """What `email` reads in a field of a stranger; None where it breaks down over it: over names of codecs that decode nothing,
    numbers of thousands of digits, or recursion.
    """
    if field is None or len(str(field)) > _FIELD_CHARACTERS:
        return None
    try:
        return read()
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def _divided(text: bytes) -> tuple[bytes, bytes]:
    """Headers and body; MailUnreadable for headers that do not end."""
    found = _BLANK.search(text, 0, HEADERS_BYTES)
    if found is None:
        raise MailUnreadable("the headers of the mail, or of a part of it, do not end")
    return text[: found.end()], text[found.end() :]


def _parsed(headers: bytes) -> Message:
    return BytesHeaderParser(policy=compat32).parsebytes(headers[:HEADERS_BYTES])


def _decoded(content: bytes, encoding: str) -> bytes:
    """Sealed files are binary, and only base64 carries those."""
    if encoding != "base64":
        raise MailUnreadable("the attachment is not encoded in base64")
    try:
        return binascii.a2b_base64(_SPACE.sub(b"", content), strict_mode=True)
    except binascii.Error as error:
        raise MailUnreadable("the attachment is damaged") from error
