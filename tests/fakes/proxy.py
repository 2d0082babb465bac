"""A TCP proxy on 127.0.0.1 that spoils what passes from client to server: cut, stall, throttle, flip a bit."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_PIECE: Final = 16 * 1024


@dataclass(frozen=True)
class Faults:
    """What goes wrong, counted in bytes from the client within one connection; None for nothing of the kind."""

    cut_at: int | None = None
    stall_at: int | None = None
    flip_at: int | None = None
    bytes_per_second: int | None = None


class Proxy:
    """Connect to `port` to reach the target. `faults` counts for connections made after it was set."""

    def __init__(self, target: tuple[str, int], faults: Faults = Faults()) -> None:
        self.faults = faults
        self.connections = 0
        self.from_client = 0
        self.from_server = 0
        self._target = target
        self._stopping = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(0.05)
        self.port: int = self._listener.getsockname()[1]
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def close(self) -> None:
        self._stopping.set()
        for thread in list(self._threads):
            thread.join(10)
        self._listener.close()

    def _start(self, work: object, *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]  # a callable
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while not self._stopping.is_set():
            try:
                client, _ = self._listener.accept()
            except TimeoutError:
                continue
            self.connections += 1
            try:
                server = socket.create_connection(self._target, timeout=5)
            except OSError:
                client.close()
                continue
            self._start(self._serve, client, server, self.faults)

    def _serve(self, client: socket.socket, server: socket.socket, faults: Faults) -> None:
        """Both directions of one connection; either end's hang-up, or a cut, ends it."""
        over = threading.Event()
        back = threading.Thread(target=self._backward, args=(server, client, over), daemon=True)
        back.start()
        try:
            self._forward(client, server, faults, over)
        finally:
            over.set()
            back.join(10)
            client.close()
            server.close()

    def _forward(self, client: socket.socket, server: socket.socket, faults: Faults, over: threading.Event) -> None:
        passed = 0
        for data in self._pieces(client, over):
            piece = bytearray(data)
            if faults.flip_at is not None and passed <= faults.flip_at < passed + len(piece):
                piece[faults.flip_at - passed] ^= 0x10
            if faults.cut_at is not None and passed + len(piece) > faults.cut_at:
                return
            passed += len(piece)
            self.from_client += len(piece)
            try:
                server.sendall(piece)
            except OSError:
                return
            if faults.stall_at is not None and passed >= faults.stall_at:
                while not self._stopping.is_set() and not over.is_set():
                    time.sleep(0.01)  # neither read nor written from now on: that is the fault
                return
            if faults.bytes_per_second is not None:
                self._stopping.wait(len(piece) / faults.bytes_per_second)

    def _backward(self, server: socket.socket, client: socket.socket, over: threading.Event) -> None:
        for data in self._pieces(server, over):
            self.from_server += len(data)
            try:
                client.sendall(data)
            except OSError:
                break
        over.set()

    def _pieces(self, source: socket.socket, over: threading.Event) -> Iterator[bytes]:
        source.settimeout(0.05)
        while not self._stopping.is_set() and not over.is_set():
            try:
                data = source.recv(_PIECE)
            except TimeoutError:
                continue
            except OSError:
                return
            if not data:
                return
            yield data


@contextlib.contextmanager
def spoiling_proxy(port: int, faults: Faults = Faults()) -> Iterator[Proxy]:
    """A proxy in front of `port` on 127.0.0.1, closed at the end."""
    proxy = Proxy(("127.0.0.1", port), faults)
    try:
        yield proxy
    finally:
        proxy.close()
