"""Whether this machine's node is there, and in which incarnation, for whoever on it must not ask the ledger for that by the node's name: another machine may
have the name by now. The heartbeat says so in a file of the state.

It is written in place: with an account for each role the file is made once (`settings.rights`), since sshd may look into none of the directories that
the vault writes to. The file says whose it is. In a copy of HOME it is another file, and on a machine that has started since, another start: there it is as
if nothing had been said. Writing raises DiskFull and DiskFailed; reading raises nothing.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from gateway.storage.durable import disk_error

_BYTES: Final = 160
"""One text by one call: whoever reads finds all of it."""
_START: Final = Path("/proc/sys/kernel/random/boot_id")


def note(path: Path, now: float, incarnation: int) -> None:
    """The ledger has just noted the node; `now` is of the clock that never goes back."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            said = f"{now} {incarnation} {_itself(os.fstat(descriptor))} {_START.read_text('ascii').strip()}\n"
            os.pwrite(descriptor, said.ljust(_BYTES).encode(), 0)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise disk_error(error, "noting that this node is there") from error


def last(path: Path, now: float) -> float:
    """When that was, by the same clock; before all time where nobody has said it here since the machine started."""
    try:
        said = float(_read(path)[0])
    except (OSError, ValueError, IndexError):
        return -1e9
    return said if said <= now else -1e9


def incarnation(path: Path) -> int | None:
    """As which incarnation the ledger noted the node last; None where it has not since this machine started."""
    try:
        _, said, start = _read(path)
        return int(said) if start == _START.read_text("ascii").strip() else None
    except (OSError, ValueError):
        return None


def _read(path: Path) -> list[str]:
    """What is said in it, without the file itself; ValueError where that is another one. Not every role sees when the machine started."""
    with path.open("rb") as file:
        now, said, itself, *start = file.read().decode("ascii").split()
        if itself != _itself(os.fstat(file.fileno())):
            raise ValueError
    return [now, said, *start]


def _itself(status: os.stat_result) -> str:
    return f"{status.st_dev}:{status.st_ino}"
