"""Have a copy of this process do a part of its work: it computes one answer, sends it over a pipe, and exits.

For a reader that has more than one processor. The copy has the limits of the process that made it, and ends with it. It has
read the same file, so it is trusted as far as that process. Only for a process with one thread.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NoReturn

from gateway.validation.sandbox.confinement import die_with

_ENDED_WELL: Final = 0
_ENDED_BROKEN: Final = 3


class Forked:
    """A copy that works from the making of this object until `close`. OSError where no process can be made."""

    def __init__(self, work: Callable[[], bytes]) -> None:
        outlet, inlet = os.pipe()
        parent = os.getpid()
        try:
            self._pid = os.fork()
        except OSError:
            os.close(outlet)
            os.close(inlet)
            raise
        if self._pid == 0:
            _be_the_copy(work, inlet, parent)
        os.close(inlet)
        self._pipe = os.fdopen(outlet, "rb")

    def answer(self) -> bytes | None:
        """Wait for the answer; None where the copy ended without one. To be called once."""
        content = self._pipe.read()
        _, status = os.waitpid(self._pid, 0)
        self._pid = 0
        return content if status == _ENDED_WELL else None

    def close(self) -> None:
        """End it, if it still works."""
        self._pipe.close()
        if self._pid:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)
            self._pid = 0


def _be_the_copy(work: Callable[[], bytes], inlet: int, parent: int) -> NoReturn:
    """Never returns: what lies further up the stack is the other process's business."""
    status = _ENDED_BROKEN
    try:
        die_with(parent)
        with os.fdopen(inlet, "wb") as pipe:
            pipe.write(work())
        status = _ENDED_WELL
    finally:
        os._exit(status)
