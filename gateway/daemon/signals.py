"""Signals as a list that the work looks at when it can, with a bell that wakes it."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from gateway.daemon.bell import Bell


@contextmanager
def noted(numbers: Sequence[int], bell: Bell) -> Iterator[list[int]]:
    """The signals of these numbers that have come, in order, while the block runs."""
    seen: list[int] = []

    def note(number: int, _frame: object) -> None:
        seen.append(number)
        bell.ring()

    before: Mapping[int, object] = {number: signal.signal(number, note) for number in numbers}
    try:
        yield seen
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)  # type: ignore[arg-type]  # what signal() itself gave back
