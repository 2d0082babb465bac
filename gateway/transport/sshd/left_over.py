"""What a killed gateway or a killed guard has left of an SFTP server, and its end.

Raises ServerFailed where it does not end.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway.errors import ServerFailed
from gateway.transport.sshd.spec import ServerSpec

STOP_SECONDS: Final = 8.0
"""Within which sshd ends that was told to."""
_GRACE_SECONDS: Final = 2.0


def pid_in(path: Path) -> int | None:
    """The process whose number the file has; None where it has none."""
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):
        return None


def end_predecessor(spec: ServerSpec) -> None:
    """End an sshd of this site that a killed gateway left behind: the pid file names it, its command line proves it."""
    pid = pid_in(spec.pid_file)
    if pid is None:
        return
    deadline = time.monotonic() + STOP_SECONDS
    while _is_ours(pid, spec.config_file):
        number = signal.SIGTERM if time.monotonic() < deadline - STOP_SECONDS / 2 else signal.SIGKILL
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            break
        except PermissionError as error:
            raise ServerFailed("an SFTP server of this site runs under another user: end it first") from error
        if time.monotonic() > deadline:
            raise ServerFailed(f"an older SFTP server of this site does not end (process {pid})")
        time.sleep(0.05)
    spec.pid_file.unlink(missing_ok=True)


def end_sessions(told_over: Path) -> None:
    """End what has this socket as its standard error: sshd's sessions, which no guard is there to end. SIGTERM again and again, since a session may
    have looked for one just before it waits; SIGKILL after two seconds. What a disk does not let go is left to the kernel.
    """
    deadline = time.monotonic() + 2 * _GRACE_SECONDS
    while (sessions := list(_told_over(told_over))) and time.monotonic() < deadline:
        number = signal.SIGTERM if time.monotonic() < deadline - _GRACE_SECONDS else signal.SIGKILL
        for pid in sessions:
            with suppress(OSError):
                os.kill(pid, number)
        time.sleep(0.02)


def _told_over(told_over: Path) -> Iterator[int]:
    for entry in Path("/proc").glob("[1-9]*"):
        with suppress(OSError):
            if (entry / "fd" / "2").readlink() == told_over:
                yield int(entry.name)


def _is_ours(pid: int, config: Path) -> bool:
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
    return os.fsencode(config) in arguments and b"sshd" in arguments
