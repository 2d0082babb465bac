"""Whether this machine's node is there, for whoever on it does not ask the ledger: the heartbeat says so in a file of the state.

It is written in place: with an account for each role the file is made once (`settings.rights`), since sshd may look into none of the directories that
the vault writes to. Raises nothing: a moment that cannot be written or read is as if nothing had been said.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway.daemon.pulse import PutOff, read_pulse
from gateway.stages.itinerary import Role

STAGE: Final = "heartbeat"
"""Under this name the vault tells what the node does not reach, in its log and in its pulse."""

_BYTES: Final = 32
"""One text by one call: whoever reads finds all of it."""


def note(path: Path, now: float) -> None:
    """The ledger has just noted the node; `now` is of the clock that never goes back."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(descriptor, f"{now}\n".ljust(_BYTES).encode(), 0)
        finally:
            os.close(descriptor)


def last(path: Path, now: float) -> float:
    """When that was, by the same clock; before all time where nobody has said it since the machine started."""
    try:
        said = float(path.read_text("ascii"))
    except (OSError, ValueError):
        return -1e9
    return said if said <= now else -1e9


def trouble(run: Path) -> PutOff | None:
    """For how long the vault has not reached the ledger or the store as a node, by its pulse, and the code of that; None where it reaches both, or where
    this account may not look.
    """
    pulse = read_pulse(run, Role.VAULT)
    return None if pulse is None else pulse.deferred.get(STAGE)


def what_is_away(code: str) -> str:
    """What is not reached where the heartbeat failed with that code."""
    return "its store" if code.startswith("store-") else "the ledger" if code.startswith("ledger-") else "what it needs"
