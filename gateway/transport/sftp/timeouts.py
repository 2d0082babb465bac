"""How long the link waits: one watch per connection that says when an answer or a whole file has taken too long.

Raises LinkTimeout, and TimeoutError towards paramiko inside `PacedSocket`. Why a socket of our own: paramiko retries a write
for ever while the peer's window is shut, so a partner that stops reading would stop the lane. Here the write ends when the
watch says so.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Final

from gateway.errors import LinkTimeout
from gateway.transport.contract import Pace

_LEAST_WAIT: Final = 0.01


class Watch:
    """Time limits of what is under way: silence, least throughput, and with that an absolute deadline for a file."""

    def __init__(self, pace: Pace, clock: Callable[[], float]) -> None:
        self._pace = pace
        self._clock = clock
        self._begun: float | None = None
        self._heard = 0.0
        self._done = 0
        self._silence = pace.answer_timeout

    def begin(self, *, heavy: bool = False) -> None:
        """A file, or a step of it that moves no bytes, starts now. One that is `heavy` may take as long as the grace for
        its one answer: making a long file durable, or handing it on to where the server really keeps it.
        """
        self._begun = self._heard = self._clock()
        self._done = 0
        self._silence = max(self._pace.answer_timeout, self._pace.grace) if heavy else self._pace.answer_timeout

    def end(self) -> None:
        """Nothing is under way: an idle connection may stay silent."""
        self._begun = None

    def progress(self, done: int = 0) -> None:
        """The partner answered; `done` more bytes of the file are known to have passed."""
        self._heard = self._clock()
        self._done += done

    def excuse(self, seconds: float) -> None:
        """So long this side held back by itself: that counts against nobody."""
        if self._begun is not None:
            self._begun += seconds
        self._heard += seconds

    def left(self) -> float | None:
        """Seconds until the timeout, negative after it; None when nothing is under way.

        The file's own limit moves with what has passed: grace + done / least throughput, at most grace + size / least.
        """
        begun = self._begun
        if begun is None:
            return None
        now = self._clock()
        silence = self._heard + self._silence - now
        slowness = begun + self._pace.grace + self._done / self._pace.least_bytes_per_second - now
        return min(silence, slowness)

    def expired(self) -> bool:
        left = self.left()
        return left is not None and left <= 0

    def timeout(self) -> float:
        """Seconds that the next wait may take. Raises LinkTimeout when there are none left."""
        left = self.left()
        if left is None:
            return self._pace.answer_timeout
        if left <= 0:
            raise LinkTimeout
        return max(left, _LEAST_WAIT)


class PacedSocket:
    """A connected socket as paramiko wants one, whose writes end when the watch says so; `first` was read from it already."""

    def __init__(self, sock: socket.socket, watch: Watch, first: bytes = b"") -> None:
        self._sock = sock
        self._watch = watch
        self._first = first
        self._closed = False  # paramiko's Transport asks for this name, as real sockets have it

    def send(self, data: bytes) -> int:
        try:
            return self._sock.send(data)
        except TimeoutError:
            if self._watch.expired():
                # An OSError that is no timeout makes paramiko give up; a timeout it would retry.
                raise BrokenPipeError from None
            raise

    def recv(self, size: int) -> bytes:
        if self._first:
            first, self._first = self._first[:size], self._first[size:]
            return first
        return self._sock.recv(size)

    def settimeout(self, seconds: float | None) -> None:
        self._sock.settimeout(seconds)

    def getpeername(self) -> object:
        return self._sock.getpeername()

    def close(self) -> None:
        self._closed = True
        self._sock.close()
