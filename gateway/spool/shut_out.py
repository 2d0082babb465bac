"""Partners whom people suspended by the ledger, on their way from the link role to the process that runs sshd, which may have no right to the ledger.

A small file (`Home.shut_out`) beside the counts of log-ins, in a directory which both may write. The link role writes it before it does anything else, and after
each change; it stays over a restart of the machine. Who forges it shuts partners out, and lets nobody in who has no key. Raises DiskFull or
DiskFailed where it cannot be written; reading raises nothing.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Collection
from pathlib import Path
from typing import Final

from gateway.storage.durable import write_file

_MODE: Final = 0o640
_MOST_BYTES: Final = 1_000_000


def note_suspended(path: Path, codes: Collection[str]) -> None:
    """Write down these partners' codes, where they are others than before."""
    if frozenset(codes) != noted_suspended(path):
        write_file(path, "".join(f"{code}\n" for code in sorted(codes)).encode(), mode=_MODE)


def noted_suspended(path: Path) -> frozenset[str]:
    """The codes that are written down; none where nothing is. No link is followed, and only a plain file is read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                return frozenset()
            return frozenset(file.read(_MOST_BYTES).decode(errors="replace").split("\n")) - {""}
    except OSError:
        return frozenset()
