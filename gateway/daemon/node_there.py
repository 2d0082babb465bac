"""Whether this machine's node is there, for whoever on it does not ask the ledger: the heartbeat says so in a file of the run directory.

Raises nothing: a moment that cannot be written or read is as if nothing had been said.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from gateway.daemon.lock import mode_in


def note(run: Path, now: float) -> None:
    """The ledger has just noted the node; `now` is of the clock that never goes back."""
    with suppress(OSError):
        part = _path(run).with_suffix(".part")
        descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.fchmod(descriptor, mode_in(run))
            os.write(descriptor, f"{now}\n".encode())
        finally:
            os.close(descriptor)
        part.rename(_path(run))


def last(run: Path, now: float) -> float:
    """When that was, by the same clock; before all time where nobody has said it since the machine started."""
    try:
        said = float(_path(run).read_text("ascii"))
    except (OSError, ValueError):
        return -1e9
    return said if said <= now else -1e9


def _path(run: Path) -> Path:
    return run / "node-seen"
