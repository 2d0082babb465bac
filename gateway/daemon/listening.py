"""The one socket that a role listens at, opened before the role gives up the network. Raises AddressTaken."""

from __future__ import annotations

import os
import socket
import stat
from contextlib import suppress
from pathlib import Path

from gateway.errors import AddressTaken


def listening(listen: str, backlog: int) -> socket.socket:
    """A socket that listens at `HOST:PORT`, or at a path; its caller closes it."""
    is_path = listen.startswith("/")
    host, _, port = listen.rpartition(":")
    family = socket.AF_UNIX if is_path else socket.AF_INET6 if host.startswith("[") else socket.AF_INET
    # Named, so that asyncio knows it for TCP, and lets no answer wait 40 ms for what it could be sent with (TCP_NODELAY).
    made = socket.socket(family, socket.SOCK_STREAM, 0 if is_path else socket.IPPROTO_TCP)
    try:
        if is_path:
            _remove_socket(Path(listen))
            made.bind(listen)
            Path(listen).chmod(0o660)
        else:
            made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            made.bind((host.strip("[]"), int(port)))
        made.listen(backlog)
    except OSError as error:
        made.close()
        raise AddressTaken(f"nothing can be listened at on {listen}: {error.strerror}") from error
    return made


def _remove_socket(path: Path) -> None:
    """Remove what a process before left; anything but a socket stays, and the address is taken."""
    with suppress(FileNotFoundError):
        if stat.S_ISSOCK(os.lstat(path).st_mode):
            path.unlink()
