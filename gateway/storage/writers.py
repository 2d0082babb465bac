"""Whether somebody has a file open for writing, as far as the kernel can tell.

The kernel grants a read lease (fcntl(2), F_SETLEASE) on a file only while no process of this machine has it open for
writing, a memory map that outlived its descriptor included. The lease is given back at once: it is a question, not a
lock. Nothing is raised.

What holds where: the answer is true of file systems of this machine, and so of what Samba or an NFS version 4 server
on this machine has open for its clients. A file system that comes over a network knows nothing of the writers on other
machines, so there the answer is always UNKNOWN. The caller must own the file or have CAP_LEASE; otherwise UNKNOWN too.
"""

from __future__ import annotations

import errno
import fcntl
import signal
from enum import StrEnum
from pathlib import Path
from typing import Final

from gateway.linux.file_calls import file_system

_LOCAL: Final = frozenset(
    {
        0xEF53,  # ext2, ext3, ext4
        0x58465342,  # XFS
        0x9123683E,  # Btrfs
        0x2FC12FC1,  # ZFS
        0xCA451A4E,  # bcachefs
        0xF2F52010,  # F2FS
        0x3153464A,  # JFS
        0x01021994,  # tmpfs
        0x794C7630,  # overlayfs
    }
)
"""File systems that see every writer, because none can be on another machine; numbers as in linux/magic.h."""

_CAP_LEASE: Final = 28
_OPENED_ELSEWHERE: Final = (errno.EBUSY, errno.ETXTBSY)
"""What opening a file says where a client of a Windows share keeps others out."""


class Writers(StrEnum):
    """Who has a file open for writing."""

    NONE = "none"
    SOME = "some"
    UNKNOWN = "unknown"


def writers_of(descriptor: int) -> Writers:
    """Who has the file open for writing besides; `descriptor` is open for reading only."""
    try:
        if file_system(descriptor) not in _LOCAL:
            return Writers.UNKNOWN
        # Of a writer who comes before the lease is given back we are told by a signal: by one that ends nobody.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        return Writers.SOME if error.errno == errno.EAGAIN else Writers.UNKNOWN
    fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return Writers.NONE


def keeps_others_out(error: OSError) -> bool:
    """Whether a file could not be opened because its writer allows nobody else to."""
    return error.errno in _OPENED_ELSEWHERE


def may_ask_of_any_file() -> bool:
    """Whether this process may ask `writers_of` about files of other owners (root, or CAP_LEASE)."""
    try:
        status = Path("/proc/thread-self/status").read_text(encoding="ascii")
    except OSError:
        return False
    effective = next(line for line in status.splitlines() if line.startswith("CapEff:"))
    return bool(int(effective.split()[1], 16) >> _CAP_LEASE & 1)
