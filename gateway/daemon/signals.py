"""Signals as a list that the work reads when it can, with a wake-up; and an alarm that ends what hangs."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from gateway.daemon.wake_ups import WakeUp


@contextmanager
def noted(numbers: Sequence[int], wake_up: WakeUp) -> Iterator[list[int]]:
    """The signals of these numbers that came while the block runs, in order."""
    seen: list[int] = []

    def note(number: int, _frame: object) -> None:
        seen.append(number)
        wake_up.wake()

    before: Mapping[int, object] = {number: signal.signal(number, note) for number in numbers}
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal() itself gave back


@contextmanager
def ended_after(seconds: int) -> Iterator[None]:
    """Have the kernel end this process (SIGALRM) where the block takes longer. For the main thread, and not nested.

    It guards the start of threads: where a new thread's first step fails for want of memory, its starter waits for ever
    in a call that no signal handler of ours can interrupt.
    """
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
