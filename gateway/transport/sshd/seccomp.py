"""Filters of system calls for this process and all that it starts: seccomp, which needs no privilege.

`load` puts a filter in force; it cannot be undone. `ignore_attributes` is the managed SFTP server's: a partner's client may
ask for times, modes and owners of files, is told that it was done, and nothing is changed. sshd can be told which requests
a partner may make, but not that of "set attributes" only the harmless half is meant; and Landlock knows nothing of modes
and times. So the calls themselves are answered here, by the kernel, before they reach any file.

Raises OSError where the kernel has seccomp and refuses; returns False where there is none, or where the numbers of this
architecture's calls are not known here. Source: the kernel's Documentation/userspace-api/seccomp_filter.rst.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_SECCOMP: Final = 22
_MODE_FILTER: Final = 2

LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
IF_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
IF_AT_LEAST: Final = 0x35  # BPF_JMP | BPF_JGE | BPF_K
RETURN: Final = 0x06  # BPF_RET | BPF_K
ALLOW: Final = 0x7FFF_0000
REFUSE: Final = 0x0005_0000 | errno.EPERM
IGNORE: Final = 0x0005_0000
"""The call is not made, and its caller is told that it was."""

NUMBER: Final = 0  # where struct seccomp_data has what is looked at
ARCHITECTURE: Final = 4
X32: Final = 0x4000_0000

Line = tuple[int, int, int, int]
"""What to do, how many lines to skip if so, how many if not, the value."""


@dataclass(frozen=True)
class _Attributes:
    """An architecture as seccomp knows it, and the numbers of its calls: those that are ignored, and truncate(2)."""

    audit: int
    ignored: tuple[int, ...]
    truncate: int


_KNOWN: Final[Mapping[str, _Attributes]] = MappingProxyType(
    {
        # chmod fchmod chown fchown lchown utime utimes fchownat futimesat fchmodat utimensat fchmodat2
        "x86_64": _Attributes(0xC000_003E, (90, 91, 92, 93, 94, 132, 235, 260, 261, 268, 280, 452), 76),
        # fchmod fchmodat fchownat fchown utimensat fchmodat2: the others are not there
        "aarch64": _Attributes(0xC000_00B7, (52, 53, 54, 55, 88, 452), 45),
    }
)


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8), ("value", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(_Instruction)))


def load(program: Sequence[Line]) -> bool:
    """Put a filter in force; whether the kernel does it."""
    instructions = (_Instruction * len(program))(*(_Instruction(*line) for line in program))
    libc = ctypes.CDLL(None, use_errno=True)
    unused = ctypes.c_ulong(0)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), unused, unused, unused) != 0:
        raise _failure()
    filter_ = ctypes.byref(_Program(len(program), instructions))
    if libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_MODE_FILTER), filter_, unused, unused) == 0:
        return True
    if ctypes.get_errno() == errno.EINVAL:
        return False  # a kernel that was built without it
    raise _failure()


def can_ignore_attributes(machine: str | None = None) -> bool:
    """Whether `ignore_attributes` works here; nothing is changed by asking."""
    if (machine or platform.machine()) not in _KNOWN:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    unused = ctypes.c_ulong(0)
    # Without a filter to load, a kernel that could load one says that the address is bad, and others that they cannot.
    libc.prctl(_PR_SET_SECCOMP, ctypes.c_ulong(_MODE_FILTER), unused, unused, unused)
    return ctypes.get_errno() == errno.EFAULT


def ignore_attributes(machine: str | None = None) -> bool:
    """From now on nobody here changes a file's mode, owner or times; whether that is so.

    Each such call does nothing and says that it was done. truncate(2) fails with EPERM: to be told that a file is shorter,
    when it is not, would be a lie that costs somebody a file. What is written, or cut by an open file's own handle, is not
    touched: whoever holds that handle was allowed to write there.
    """
    calls = _KNOWN.get(machine or platform.machine())
    return calls is not None and load(_attributes_program(calls))


def _attributes_program(calls: _Attributes) -> list[Line]:
    """Another architecture's form of a call, i386's and x32's among them, would have other numbers: it fails."""
    count = len(calls.ignored)
    return [
        (LOAD, 0, 0, ARCHITECTURE),
        (IF_EQUAL, 0, count + 4, calls.audit),
        (LOAD, 0, 0, NUMBER),
        (IF_AT_LEAST, count + 2, 0, X32),
        (IF_EQUAL, count + 1, 0, calls.truncate),
        *((IF_EQUAL, count + 1 - position, 0, number) for position, number in enumerate(calls.ignored)),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, REFUSE),
        (RETURN, 0, 0, IGNORE),
    ]


def _failure() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
