"""A copy of this process that does a part of its work: what it says, what it dies of, and that nothing of it stays."""

from __future__ import annotations

import os
import signal
import time
from contextlib import closing

import pytest

from gateway.validation.sandbox.forked import Forked

# Readers have one thread, tests more.
pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork.*:DeprecationWarning")


def test_answer_may_be_longer_than_a_pipe_holds() -> None:
    with closing(Forked(lambda: b"x" * 3_000_000)) as copy:
        assert copy.answer() == b"x" * 3_000_000


def test_copy_that_fails_has_no_answer() -> None:
    def fail() -> bytes:
        raise MemoryError

    with closing(Forked(fail)) as copy:
        assert copy.answer() is None


def test_copy_that_is_killed_in_its_answer_has_none() -> None:
    with closing(Forked(lambda: os.kill(os.getpid(), signal.SIGKILL) or b"")) as copy:  # type: ignore[func-returns-value]
        assert copy.answer() is None


def test_copy_that_still_works_is_ended_on_leaving() -> None:
    outlet, inlet = os.pipe()

    def work() -> bytes:
        os.write(inlet, os.getpid().to_bytes(8))
        time.sleep(60)
        return b""

    with closing(Forked(work)):
        pid = int.from_bytes(os.read(outlet, 8))
    os.close(outlet)
    os.close(inlet)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
