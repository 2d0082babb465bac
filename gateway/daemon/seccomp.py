"""Take the network away from this process and from all that it starts: a seccomp filter, which needs no privilege.

From then on a socket can be made in the family AF_UNIX alone; anything else fails with EPERM. io_uring, which makes
sockets past this call, and calls in the form of another architecture (i386 and x32 on x86-64), which the filter would
read wrongly, fail too. It cannot be undone. What is open already stays open, so it is done before anything is opened.

Raises OSError where the kernel has seccomp and refuses; returns False where there is none, or where the numbers of this
architecture's calls are not known here. Source: the kernel's Documentation/userspace-api/seccomp_filter.rst.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_SET_SECCOMP: Final = 22
_MODE_FILTER: Final = 2

_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_IF_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_IF_AT_LEAST: Final = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K
_ALLOW: Final = 0x7FFF_0000
_REFUSE: Final = 0x0005_0000 | errno.EPERM

_NUMBER: Final = 0  # where struct seccomp_data has what is looked at
_ARCHITECTURE: Final = 4
_FIRST_ARGUMENT: Final = 16  # its low half: both architectures below are little-endian
_X32: Final = 0x4000_0000
_IO_URING_SETUP: Final = 425  # the same number on every architecture


@dataclass(frozen=True)
class _Calls:
    """An architecture as seccomp knows it, and its number of socket(2)."""

    audit: int
    socket: int


_KNOWN: Final[Mapping[str, _Calls]] = MappingProxyType(
    {"x86_64": _Calls(0xC000_003E, 41), "aarch64": _Calls(0xC000_00B7, 198)}
)


class _Instruction(ctypes.Structure):
    _fields_ = (("code", ctypes.c_uint16), ("yes", ctypes.c_uint8), ("no", ctypes.c_uint8), ("value", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_uint16), ("instructions", ctypes.POINTER(_Instruction)))


def refuse_network(machine: str | None = None) -> bool:
    """From now on no socket but of AF_UNIX can be made here; whether that is so."""
    calls = _KNOWN.get(machine or platform.machine())
    if calls is None:
        return False
    program = _program(calls)
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


def _program(calls: _Calls) -> list[tuple[int, int, int, int]]:
    """Each line: what to do, how many lines to skip if so, how many if not, the value."""
    return [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_IF_EQUAL, 0, 7, calls.audit),
        (_LOAD, 0, 0, _NUMBER),
        (_IF_AT_LEAST, 5, 0, _X32),
        (_IF_EQUAL, 4, 0, _IO_URING_SETUP),
        (_IF_EQUAL, 0, 2, calls.socket),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_IF_EQUAL, 0, 1, socket.AF_UNIX),
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _REFUSE),
    ]


def _failure() -> OSError:
    number = ctypes.get_errno()
    return OSError(number, os.strerror(number))
