"""The chain's head, kept a second time outside the ledger: what tells an old copy of the ledger from the true one.

Written after every commit, over the same hundred bytes, without waiting for the disk: the commit itself is durable by then,
so after a power cut this may remember less than the ledger holds, and never more. A ledger that lacks the event remembered
here, or has another one of its number, is not the one that was written last. Raises nothing: what cannot be written or read
is not remembered, and then partners' receipts still know (docs/audit.md).
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway.ledger.chain import Head

_CHECK: Final = 16
"""Characters of the digest that tells a whole record from a torn one."""


RESTORED: Final = "restored.json"
"""A file beside the record: the ledger is a copy, and was not confirmed yet (`Home.restored`)."""

_READS: Final = 3
"""A record that somebody writes meanwhile may look torn once."""


class Damaged:
    """There is a record, and it is none."""


class HeadFile:
    """The record at `path`. Any number of processes may keep it; the last one to write may be one commit behind."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def remember(self, head: Head) -> None:
        """Let the record say that the chain has come as far as this."""
        with suppress(OSError):
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o660)
            try:
                os.pwrite(descriptor, _record(head), 0)
            finally:
                os.close(descriptor)

    def remembered(self) -> Head | None:
        """The head that was kept last; None where there is no record, or a damaged one."""
        try:
            found = self.found()
        except OSError:
            return None
        return found if isinstance(found, Head) else None

    def in_doubt(self) -> bool:
        """Whether the site was put back from a copy, and nobody has said what happened since."""
        return os.path.lexists(self._path.with_name(RESTORED))

    def found(self) -> Head | Damaged | None:
        """The same for an audit, which has to know what is the matter. PermissionError where this user may not look.

        An empty file is no record: `gateway rights` makes it for all roles before the first event.
        """
        for _ in range(_READS):
            empty = False
            try:
                text = self._path.read_text(encoding="ascii")
                empty = text == ""
                words = text.split()
                head = Head(int(words[0]), words[1])
                if _record(head).decode().split() == words:
                    return head
            except FileNotFoundError:
                return None
            except PermissionError:
                raise
            except (OSError, ValueError, IndexError):
                continue
        return None if empty else Damaged()


def _record(head: Head) -> bytes:
    said = f"{head.sequence:020d} {head.sha256}"
    return f"{said} {hashlib.sha256(said.encode()).hexdigest()[:_CHECK]}\n".encode()
