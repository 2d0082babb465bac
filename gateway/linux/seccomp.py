"""Filters of system calls for this process and all that it starts: seccomp, which needs no privilege and cannot be undone.

`refuse_network` is for a role that must not talk to anybody: from then on a socket can be made in the family AF_UNIX alone;
anything else fails with EPERM. io_uring, which makes sockets past this call, fails too. What is open already stays open, so
call it before anything is opened.

`ignore_attributes` is for the managed SFTP server: a partner's client may ask for times, modes and owners of files, is told
that it was done, and nothing is changed. sshd can be told which requests a partner may make, but not that of "set
attributes" only the harmless half is meant; and Landlock knows nothing of modes and times.

Both refuse calls in the form of another architecture (i386 and x32 on x86-64), which a filter would read wrongly. Both raise
OSError where the kernel has seccomp and refuses; they return False where there is none, or where the numbers of this
architecture's calls are not known here. Source: the kernel's Documentation/userspace-api/seccomp_filter.rst.
"""

from __future__ import annotations

import ctypes
import errno
import platform
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from gateway.linux.libc import prctl
from gateway.linux.process import refuse_new_privileges

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
_FIRST_ARGUMENT: Final = 16  # its low half: both architectures below are little-endian
_X32: Final = 0x4000_0000
_IO_URING_SETUP: Final = 425  # the same number on every architecture

Line = tuple[int, int, int, int]
"""What to do, how many lines to skip if so, how many if not, the value."""


@dataclass(frozen=True)
class _Calls:
    """An architecture as seccomp knows it, and its numbers of socket(2), of truncate(2), and of the calls that are ignored."""

    audit: int
    socket: int
    truncate: int
    ignored: tuple[int, ...]


_KNOWN: Final[Mapping[str, _Calls]] = MappingProxyType(
    {
        # chmod fchmod chown fchown lchown utime utimes fchownat futimesat fchmodat utimensat fchmodat2
        "x86_64": _Calls(0xC000_003E, 41, 76, (90, 91, 92, 93, 94, 132, 235, 260, 261, 268, 280, 452)),
        # fchmod fchmodat fchownat fchown utimensat fchmodat2: the others are not there
        "aarch64": _Calls(0xC000_00B7, 198, 45, (52, 53, 54, 55, 88, 452)),
    }
)


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8), ("value", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(_Instruction)))


def refuse_network(machine: str | None = None) -> bool:
    """From now on no socket but of AF_UNIX can be made here; whether that is so."""
    calls = _KNOWN.get(machine or platform.machine())
    return calls is not None and _load(_network_program(calls))


def can_ignore_attributes(machine: str | None = None) -> bool:
    """Whether `ignore_attributes` works here; nothing is changed by asking."""
    if (machine or platform.machine()) not in _KNOWN:
        return False
    try:
        prctl(_PR_SET_SECCOMP, _MODE_FILTER)
    except OSError as error:
        # Without a filter to load, a kernel that could load one says that the address is bad, and others that they cannot.
        return error.errno == errno.EFAULT
    return False


def ignore_attributes(machine: str | None = None) -> bool:
    """From now on nobody here changes a file's mode, owner or times; whether that is so.

    Each such call does nothing and says that it was done. truncate(2) fails with EPERM: to be told that a file is shorter,
    when it is not, would be a lie that costs somebody a file. What is written, or cut by an open file's own handle, is not
    touched: whoever holds that handle was allowed to write there.
    """
    calls = _KNOWN.get(machine or platform.machine())
    return calls is not None and _load(_attributes_program(calls))


def _load(program: Sequence[Line]) -> bool:
    """Put a filter in force; whether the kernel does it."""
    instructions = (_Instruction * len(program))(*(_Instruction(*line) for line in program))
    refuse_new_privileges()
    try:
        prctl(_PR_SET_SECCOMP, _MODE_FILTER, ctypes.byref(_Program(len(program), instructions)))
    except OSError as error:
        if error.errno == errno.EINVAL:
            return False  # a kernel that was built without it
        raise
    return True


def _network_program(calls: _Calls) -> list[Line]:
    return [
        (LOAD, 0, 0, ARCHITECTURE),
        (IF_EQUAL, 0, 7, calls.audit),
        (LOAD, 0, 0, NUMBER),
        (IF_AT_LEAST, 5, 0, _X32),
        (IF_EQUAL, 4, 0, _IO_URING_SETUP),
        (IF_EQUAL, 0, 2, calls.socket),
        (LOAD, 0, 0, _FIRST_ARGUMENT),
        (IF_EQUAL, 0, 1, socket.AF_UNIX),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, REFUSE),
    ]


def _attributes_program(calls: _Calls) -> list[Line]:
    """Another architecture's form of a call, i386's and x32's among them, would have other numbers: it fails."""
    count = len(calls.ignored)
    return [
        (LOAD, 0, 0, ARCHITECTURE),
        (IF_EQUAL, 0, count + 4, calls.audit),
        (LOAD, 0, 0, NUMBER),
        (IF_AT_LEAST, count + 2, 0, _X32),
        (IF_EQUAL, count + 1, 0, calls.truncate),
        *((IF_EQUAL, count + 1 - position, 0, number) for position, number in enumerate(calls.ignored)),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, REFUSE),
        (RETURN, 0, 0, IGNORE),
    ]
