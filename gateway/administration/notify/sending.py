"""Sends one notice at a time in a thread beside the role, so that the role can be stopped, and shows that it goes on, whatever a server does.

The libraries' time-outs are for each answer: a server that sends a byte now and then would hold the role for hours. Raises what the
sending raises, and NoticeFailed where it takes too long or the role is to stop: then the notice goes again, under the same id.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from gateway.administration.notify.notice import Notice
from gateway.administration.notify.telling import Deliver
from gateway.errors import NoticeFailed
from gateway.settings.notify import Channel

MOST_SECONDS: Final = 120.0
"""How long sending one notice may take in all."""
STOP_SECONDS: Final = 2.0
"""How long a role that is to stop waits for what is being sent."""
_LOOK_EVERY: Final = 0.1


@dataclass
class _Attempt:
    """What became of it: how many recipients were refused, or the error; neither yet while its thread runs."""

    thread: threading.Thread | None = None
    refused: int = 0
    error: BaseException | None = None

    def __enter__(self) -> None:
        """The thread begins."""

    def __exit__(self, _kind: type[BaseException] | None, error: BaseException | None, _trace: object) -> bool:
        self.error = error
        return True  # whoever waits raises it


@dataclass
class Sender:
    """`stopping` is asked again and again while something is being sent; `monotonic` gives seconds that never go back."""

    deliver: Deliver
    stopping: Callable[[], bool]
    monotonic: Callable[[], float] = time.monotonic
    _last: dict[str, _Attempt] = field(default_factory=dict)

    def __call__(self, channel: Channel, name: str, notice: Notice, now: float) -> int:
        """As `deliver` does."""
        before = self._last.get(name)
        if before is not None and before.thread is not None and before.thread.is_alive():
            raise NoticeFailed("the server has not let go of an attempt before")
        attempt = self._last[name] = _Attempt()

        def run() -> None:
            with attempt:
                attempt.refused = self.deliver(channel, name, notice, now)

        attempt.thread = threading.Thread(target=run, daemon=True)
        attempt.thread.start()
        self._wait(attempt.thread)
        if attempt.error is not None:
            raise attempt.error
        return attempt.refused

    def _wait(self, thread: threading.Thread) -> None:
        deadline = self.monotonic() + MOST_SECONDS
        stops = False
        while thread.is_alive():
            if not stops and self.stopping():
                stops, deadline = True, min(deadline, self.monotonic() + STOP_SECONDS)
            if self.monotonic() > deadline:
                raise NoticeFailed("the role is to stop" if stops else "it takes too long")
            thread.join(_LOOK_EVERY)
