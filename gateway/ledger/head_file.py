"""The chain's head, kept a second time outside the ledger: what tells an old copy of the ledger from the true one.

Written after every commit, over the same hundred bytes, without waiting for the disk: the commit itself is durable by then,
so after a power cut this may remember less than the ledger holds, and never more. It never goes back. A ledger that lacks the event remembered
here, or has another one of its number, is not the one that was written last. Raises nothing: what cannot be written or read
is not remembered, and then partners' receipts still know (docs/audit.md).
"""

from __future__ import annotations

import fcntl
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


_BYTES: Final = 200
"""More than a record has."""


class Damaged:
    """There is a record, and it is none."""


class HeadFile:
    """The record at `path`. Any number of processes may keep it."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def remember(self, head: Head) -> None:
        """Let the record say that the chain has come as far as this, unless it says that it has come as far or farther."""
        with suppress(OSError):
            descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o660)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                known = _read(os.pread(descriptor, _BYTES, 0))
                if known is None or known.sequence < head.sequence:
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
                content = self._path.read_bytes()
                empty = content == b""
                if (head := _read(content)) is not None:
                    return head
            except FileNotFoundError:
                return None
            except PermissionError:
                raise
            except OSError:
                continue
        return None if empty else Damaged()


def _read(content: bytes) -> Head | None:
    """The head of a record; None for one that is damaged."""
    words = content.split()
    try:
        head = Head(int(words[0]), words[1].decode("ascii"))
    except (ValueError, IndexError):
        return None
    return head if _record(head).split() == words else None


def _record(head: Head) -> bytes:
    said = f"{head.sequence:020d} {head.sha256}"
    return f"{said} {hashlib.sha256(said.encode()).hexdigest()[:_CHECK]}\n".encode()
