"""systemd's watchdog: a service says now and then that it goes on, and systemd restarts one that has not.

`WatchdogSec=` of the unit asks for it. Source: sd_notify(3), sd_watchdog_enabled(3). Raises nothing: where nobody listens, nothing
is said.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from contextlib import suppress


def watchdog(environment: Mapping[str, str], pid: int) -> Callable[[], None]:
    """What tells systemd that this process, `pid`, goes on; nothing where systemd has not asked this very process."""
    address = environment.get("NOTIFY_SOCKET", "")
    asked = environment.get("WATCHDOG_USEC") and environment.get("WATCHDOG_PID", str(pid)) == str(pid)
    if not asked or address[:1] not in ("/", "@"):
        return lambda: None
    # A socket in the abstract name space is written with @ in front.
    target = "\0" + address[1:] if address.startswith("@") else address

    def tell() -> None:
        with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as channel:
            channel.setblocking(False)
            channel.sendto(b"WATCHDOG=1", target)

    return tell


def own_watchdog() -> Callable[[], None]:
    """The same, of this process."""
    return watchdog(os.environ, os.getpid())
