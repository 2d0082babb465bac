"""A node's way to a server, as a process of its own: from a port of this machine to a Unix socket. Killed, the way is cut; stopped, all is swallowed.

`python -S tests/nodes/gate.py SOCKET [PORT]` prints the port and serves until it is killed.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import sys

_PIECE = 1 << 16


class Gate:
    """The connections, each with its other half and with what the other half has not taken yet."""

    def __init__(self, target: str, port: int) -> None:
        self._target = target
        self._selector = selectors.DefaultSelector()
        self._other: dict[socket.socket, socket.socket] = {}
        self._waiting: dict[socket.socket, bytearray] = {}
        self._listener = socket.create_server(("127.0.0.1", port), backlog=64)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self.port: int = self._listener.getsockname()[1]

    def serve(self) -> None:
        while True:
            for key, events in self._selector.select():
                here = key.fileobj
                if here is self._listener:
                    self._accept()
                elif isinstance(here, socket.socket) and here in self._other:
                    try:
                        if events & selectors.EVENT_WRITE:
                            self._write(here)
                        if events & selectors.EVENT_READ:
                            self._read(here)
                    except OSError:
                        self._close(here)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        server = socket.socket(socket.AF_UNIX)
        try:
            server.connect(self._target)
        except OSError:
            client.close()
            return
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for each, other in ((client, server), (server, client)):
            each.setblocking(False)
            self._other[each], self._waiting[each] = other, bytearray()
            self._selector.register(each, selectors.EVENT_READ)

    def _read(self, here: socket.socket) -> None:
        data = here.recv(_PIECE)
        if not data:
            self._close(here)
            return
        other = self._other[here]
        self._waiting[other] += data
        self._write(other)

    def _write(self, here: socket.socket) -> None:
        waiting = self._waiting[here]
        with contextlib.suppress(BlockingIOError):
            while waiting:
                del waiting[: here.send(waiting)]
        write = selectors.EVENT_WRITE if waiting else 0
        self._selector.modify(here, selectors.EVENT_READ | write)

    def _close(self, here: socket.socket) -> None:
        for each in (here, self._other.pop(here)):
            self._other.pop(each, None)
            del self._waiting[each]
            self._selector.unregister(each)
            each.close()


if __name__ == "__main__":
    made = Gate(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 0)
    sys.stdout.write(f"{made.port}\n")
    sys.stdout.flush()
    made.serve()
