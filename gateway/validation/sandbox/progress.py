"""Which file a worker has in its hands, and since when: two numbers in a page of memory that it shares with its sandbox.

A worker is given many files in one message and answers them in one. So it notes each file here before it touches it, which
costs no message: where it ends, the page says which file ended it, and where it is slow, how long that one has taken. A
worker that a hostile file took over can write anything here, so the sandbox takes both numbers for no more than a claim. OSError
is raised where there is no memory or descriptor for a page.
"""

from __future__ import annotations

import errno
import fcntl
import mmap
import os
import struct
import time
from typing import Final

_NOTE: Final = struct.Struct("=QQ")
_FLAGS: Final = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING
_MFD_NOEXEC_SEAL: Final = 0x8
"""Asked for where `vm.memfd_noexec` is 2, and unknown to kernels before 6.3. Source: linux/memfd.h."""
_SEALS: Final = fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_SEAL


class ProgressPage:
    """The sandbox's side. `descriptor` is for the worker."""

    def __init__(self) -> None:
        try:
            self.descriptor = os.memfd_create("progress", _FLAGS | _MFD_NOEXEC_SEAL)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            self.descriptor = os.memfd_create("progress", _FLAGS)
        os.ftruncate(self.descriptor, _NOTE.size)
        fcntl.fcntl(self.descriptor, fcntl.F_ADD_SEALS, _SEALS)

    def look(self) -> tuple[int, float]:
        """The number of the job in hand, or of the last one, and when it was begun, in seconds of the monotonic clock; 0 before the first."""
        number, begun = _NOTE.unpack(os.pread(self.descriptor, _NOTE.size, 0))
        return number, begun / 1e9

    def close(self) -> None:
        os.close(self.descriptor)


class ProgressNote:
    """The worker's side of the page behind `descriptor`, which is closed."""

    def __init__(self, descriptor: int) -> None:
        self._note = memoryview(mmap.mmap(descriptor, _NOTE.size)).cast("Q")
        os.close(descriptor)

    def begin(self, number: int) -> None:
        """Job `number`, from 1, is in hand from now on."""
        # The moment first: whoever looks in between takes it for the job before, which is over.
        self._note[1] = time.monotonic_ns()
        self._note[0] = number
