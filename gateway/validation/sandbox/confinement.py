"""What a worker gives up before it reads anything that others wrote.

Guaranteed (OSError is raised otherwise): limits on address space, open files and the size of files written, no core
dumps, no new privileges through execve, death with the parent, umask 077. CPU time is limited file by file.

Best effort: a network namespace of its own, empty, so that no connection can be made. The kernel, a container or a
systemd unit may forbid it; the readers open no connection by themselves, and the production unit of the inspect role
has no network anyway.
"""

from __future__ import annotations

import os
import resource
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from gateway.linux.libc import call
from gateway.linux.process import (
    at_most,
    keep_capabilities,
    limit_resource,
    refuse_inspection,
    refuse_new_privileges,
    signal_at_parents_end,
)

_CLONE_NEWUSER: Final = 0x1000_0000
_CLONE_NEWNET: Final = 0x4000_0000


@dataclass(frozen=True)
class WorkerLimits:
    """What one worker may use. Sizes are in bytes.

    A file gets `cpu_seconds` of processor time and `wall_seconds` of the clock, and one more second of each for every
    `bytes_per_second` bytes that it holds, so that a large extract has its time and a small bomb has not.
    """

    memory: int = 1 << 30
    open_files: int = 64
    written: int = 1 << 20
    cpu_seconds: int = 4
    wall_seconds: int = 15
    bytes_per_second: int = 2 << 20
    start_seconds: int = 60


def confine(memory: int, open_files: int, written: int, parent: int) -> None:
    """Set the limits for good. ProcessLookupError where the process `parent` has ended: then there is nobody to serve."""
    _isolate_network()
    refuse_new_privileges()
    refuse_inspection()
    die_with(parent)
    os.umask(0o077)
    limit_resource(resource.RLIMIT_CORE, 0)
    limit_resource(resource.RLIMIT_AS, memory)
    limit_resource(resource.RLIMIT_NOFILE, open_files)
    limit_resource(resource.RLIMIT_FSIZE, written)


def die_with(parent: int) -> None:
    """Have the kernel end this process when its parent, which must be there, ends."""
    signal_at_parents_end(signal.SIGKILL)
    if os.getppid() != parent:
        raise ProcessLookupError("the parent is gone")


class CpuAllowance:
    """How much more processor time this process may use; SIGXCPU ends it after that."""

    def __init__(self) -> None:
        self._limit: int | None = None

    def grant(self, seconds: int) -> None:
        """That much more from now on, and less than a second on top, since the kernel counts whole ones."""
        limit = int(time.process_time()) + 1 + seconds
        if limit != self._limit:
            self._limit = limit
            _, hard = resource.getrlimit(resource.RLIMIT_CPU)
            resource.setrlimit(resource.RLIMIT_CPU, (at_most(limit, hard), hard))


def _isolate_network() -> None:
    """An empty network namespace: at once where we are privileged, else inside a user namespace, else not at all.

    A privileged process never enters a user namespace: it would lose the right to read other people's files. Who enters one gets all
    capabilities in there, and with them ways into the kernel that a reader has no use for: they are given up at once.
    """
    try:
        call("unshare", _CLONE_NEWNET)
    except OSError:
        if os.geteuid() != 0:
            with suppress(OSError):
                call("unshare", _CLONE_NEWUSER | _CLONE_NEWNET)
                keep_capabilities(0)
