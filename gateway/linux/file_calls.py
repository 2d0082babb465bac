"""Calls about files: commit a whole file system, tell its kind, start write-back, rename without overwriting.

Each raises OSError with the call's errno, as the functions of `os` do; a C library without the call counts as ENOSYS.
"""

from __future__ import annotations

import ctypes
import os
import re
from pathlib import Path
from typing import Final

from gateway.linux.libc import call

_AT_FDCWD: Final = -100
_RENAME_NOREPLACE: Final = 1
_SYNC_FILE_RANGE_WRITE: Final = 2
_STATFS_BYTES: Final = 256

_REPORTING_FILE_SYSTEMS: Final = frozenset({0xEF53, 0x58465342})
"""ext4 and XFS: their `syncfs` commits data and metadata with one barrier."""
_REPORTING_KERNEL: Final = (5, 17)
"""From 5.8, `syncfs` reports write-back errors of every file; from 5.17, also the file system's own (a dead journal)."""


def sync_file_system(descriptor: int) -> None:
    """syncfs(2): make everything on the descriptor's file system durable; OSError for errors since it was opened."""
    call("syncfs", ctypes.c_int(descriptor))


def start_writeback(descriptor: int) -> None:
    """sync_file_range(2): start writing a file's pages, and do not wait; promises nothing about durability."""
    call(
        "sync_file_range",
        ctypes.c_int(descriptor),
        ctypes.c_int64(0),
        ctypes.c_int64(0),
        ctypes.c_uint(_SYNC_FILE_RANGE_WRITE),
    )


def rename_new(source: Path, target: Path) -> None:
    """renameat2(2) with RENAME_NOREPLACE: FileExistsError where the target is there, EXDEV between file systems."""
    call(
        "renameat2",
        ctypes.c_int(_AT_FDCWD),
        ctypes.c_char_p(os.fsencode(source)),
        ctypes.c_int(_AT_FDCWD),
        ctypes.c_char_p(os.fsencode(target)),
        ctypes.c_uint(_RENAME_NOREPLACE),
    )


def reports_errors(descriptor: int) -> bool:
    """Whether `sync_file_system` on this descriptor is as good a promise as fsync of each file (kernel, file system)."""
    version = re.match(r"(\d+)\.(\d+)", os.uname().release)
    if version is None or (int(version[1]), int(version[2])) < _REPORTING_KERNEL:
        return False
    return file_system(descriptor) in _REPORTING_FILE_SYSTEMS


def file_system(descriptor: int) -> int:
    """fstatfs(2): the number of the kind of file system that the descriptor's file lies on, as in linux/magic.h."""
    answer = ctypes.create_string_buffer(_STATFS_BYTES)
    call("fstatfs", ctypes.c_int(descriptor), answer)
    return ctypes.c_long.from_buffer_copy(answer).value & 0xFFFF_FFFF


def unwritten_bytes() -> int:
    """How much the whole machine has not yet written to its disks; 0 where that cannot be told."""
    try:
        text = Path("/proc/meminfo").read_text(encoding="ascii")
    except OSError:
        return 0
    found = re.search(r"^Dirty:\s+(\d+) kB", text, re.MULTILINE)
    return int(found[1]) * 1024 if found else 0
