"""Signals as a list that the loop reads, with a pipe that wakes it; and the signal that ends what hangs."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from gateway.daemon.wake_ups import WakeUp


@contextmanager
def noted(numbers: Sequence[int], wake_up: WakeUp) -> Iterator[list[int]]:
    """The signals of these numbers that have come, in order, while the block runs."""
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
    """Have the kernel end this process (SIGALRM) where the block takes longer. For the main thread, and not within another.

    For the start of threads: where the first step of a new one fails for want of memory, whoever starts it waits for
    ever, in a place that no signal handler of ours can interrupt.
    """
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
