"""Try a partner's link without leaving anything there: log in, look at the drop directory, ask for room.

Raises what a connection raises. No probe file is uploaded: everything that lands at a partner is looked at by its gateway.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from gateway.transport.connection import shown_host_key
from gateway.transport.sftp import SftpTransport


@dataclass(frozen=True)
class LinkReport:
    """What a trial of the link showed; `seconds` for logging in and for one answer, `free_bytes` None where unsaid."""

    server_version: str
    host_key: str
    cipher: str
    connect_seconds: float
    answer_seconds: float
    directory: str
    directory_found: bool
    free_bytes: int | None

    @property
    def usable(self) -> bool:
        """Whether an upload may be expected to succeed."""
        return self.directory_found and self.free_bytes != 0


def check_link(transport: SftpTransport, clock: Callable[[], float] = time.monotonic) -> LinkReport:
    """Connect, ask, disconnect. Raises the Defer or Hold that says why not."""
    begun = clock()
    session = transport.connect()
    try:
        connected = clock()
        look = session.look()
        answered = clock()
        connection = session.connection
        return LinkReport(
            server_version=_printable(connection.remote_version),
            host_key=shown_host_key(connection).fingerprint,
            cipher=session.cipher,
            connect_seconds=connected - begun,
            answer_seconds=(answered - connected) / look.answers,
            directory=_printable(look.directory),
            directory_found=look.found,
            free_bytes=look.free_bytes,
        )
    finally:
        session.close()


def _printable(text: str) -> str:
    """Words of a server, safe to show on a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)[:200]
