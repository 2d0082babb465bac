"""A TCP proxy on 127.0.0.1 that spoils what passes, either way: cut, stall, swallow, throttle, flip a bit."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_PIECE: Final = 16 * 1024


@dataclass(frozen=True)
class Faults:
    """What goes wrong in one direction, counted in bytes within one connection; None for nothing of the kind.

    A line that is cut passes exactly so many bytes. One that stalls takes no more of them, one that swallows takes them and
    passes nothing on: so looks a server that lost its power. `bytes_per_second` holds from the byte `slow_at` on.
    """

    cut_at: int | None = None
    stall_at: int | None = None
    swallow_at: int | None = None
    flip_at: int | None = None
    bytes_per_second: int | None = None
    slow_at: int = 0


class Proxy:
    """Connect to `port` to reach the target. `faults` is for what the client says, `faults_back` for what the server says;
    both count for connections made after they were set, as does the `preface` that a client hears before the server.
    """

    def __init__(self, target: tuple[str, int], faults: Faults = Faults()) -> None:
        self.faults = faults
        self.faults_back = Faults()
        self.preface = b""
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
        self._threads = [thread for thread in self._threads if thread.is_alive()]
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
            self._start(self._serve, client, server, self.faults, self.faults_back)

    def _serve(self, client: socket.socket, server: socket.socket, faults: Faults, faults_back: Faults) -> None:
        """Both directions of one connection; either end's hang-up, or a cut, ends it."""
        over = threading.Event()
        with contextlib.suppress(OSError):  # a client that has heard enough
            client.sendall(self.preface)
        back = threading.Thread(target=self._backward, args=(server, client, faults_back, over), daemon=True)
        back.start()
        try:
            for count in self._passed(client, server, faults, over):
                self.from_client += count
        finally:
            over.set()
            back.join(10)
            client.close()
            server.close()

    def _backward(self, server: socket.socket, client: socket.socket, faults: Faults, over: threading.Event) -> None:
        for count in self._passed(server, client, faults, over):
            self.from_server += count
        over.set()

    def _passed(
        self, source: socket.socket, sink: socket.socket, faults: Faults, over: threading.Event
    ) -> Iterator[int]:
        """Pass on what comes, spoilt; how many bytes at a time."""
        passed = 0
        slow = faults.bytes_per_second
        for data in self._pieces(source, over, _PIECE if slow is None else max(1, slow // 10)):
            piece = bytearray(data)
            if faults.flip_at is not None and passed <= faults.flip_at < passed + len(piece):
                piece[faults.flip_at - passed] ^= 0x10
            if faults.cut_at is not None:
                del piece[max(0, faults.cut_at - passed) :]
            if faults.swallow_at is None or passed < faults.swallow_at:
                try:
                    sink.sendall(piece)
                except OSError:
                    return
            passed += len(piece)
            yield len(piece)
            if faults.cut_at is not None and passed >= faults.cut_at:
                return
            if faults.stall_at is not None and passed >= faults.stall_at:
                while not (self._stopping.is_set() or over.wait(0.05)):
                    pass  # neither read nor written from now on: that is the fault
                return
            if slow is not None and passed >= faults.slow_at:
                self._stopping.wait(len(piece) / slow)

    def _pieces(self, source: socket.socket, over: threading.Event, size: int) -> Iterator[bytes]:
        source.settimeout(0.05)
        while not self._stopping.is_set() and not over.is_set():
            try:
                data = source.recv(size)
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
