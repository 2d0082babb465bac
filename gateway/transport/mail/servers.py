"""Where a site's mail servers are, whom they are to be, and the password that they want. Raises MailLoginRefused; OSError for `ca_file`."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from gateway.errors import MailLoginRefused

Tls = Literal["implicit", "starttls"]


@dataclass(frozen=True)
class MailServer:
    """A server, the name of our log-in there, and the file that has its password on one line."""

    host: str
    port: int
    tls: Tls
    user: str
    secret: Path


@dataclass(frozen=True)
class MailRoute:
    """Both servers, our address and the partner's, and the largest message in bytes; `ca_file` is empty where the system's count."""

    submission: MailServer
    imap: MailServer
    folder: str
    address: str
    partner: str
    max_bytes: int
    ca_file: str


def trust(route: MailRoute) -> ssl.SSLContext:
    """Checked certificates and host names, TLS 1.2 or later."""
    context = ssl.create_default_context(cafile=route.ca_file or None)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def password(secret: Path) -> str:
    """A file's one line; MailLoginRefused where there is none."""
    try:
        return secret.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise MailLoginRefused(f"the password in {secret.name} cannot be read") from error
