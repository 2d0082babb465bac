"""Take the network away from this process and from all that it starts: a seccomp filter, which needs no privilege.

From then on a socket can be made in the family AF_UNIX alone; anything else fails with EPERM. io_uring, which makes
sockets past this call, and calls in the form of another architecture (i386 and x32 on x86-64), which the filter would
read wrongly, fail too. It cannot be undone. What is open already stays open, so it is done before anything is opened.

Raises OSError where the kernel has seccomp and refuses; returns False where there is none, or where the numbers of this
architecture's calls are not known here. Source: the kernel's Documentation/userspace-api/seccomp_filter.rst.
"""

from __future__ import annotations

import platform
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from gateway.transport.sshd.seccomp import (
    ALLOW,
    ARCHITECTURE,
    IF_AT_LEAST,
    IF_EQUAL,
    LOAD,
    NUMBER,
    REFUSE,
    RETURN,
    X32,
    Line,
    load,
)

_FIRST_ARGUMENT: Final = 16  # its low half: both architectures below are little-endian
_IO_URING_SETUP: Final = 425  # the same number on every architecture


@dataclass(frozen=True)
class _Calls:
    """An architecture as seccomp knows it, and its number of socket(2)."""

    audit: int
    socket: int


_KNOWN: Final[Mapping[str, _Calls]] = MappingProxyType(
    {"x86_64": _Calls(0xC000_003E, 41), "aarch64": _Calls(0xC000_00B7, 198)}
)


def refuse_network(machine: str | None = None) -> bool:
    """From now on no socket but of AF_UNIX can be made here; whether that is so."""
    calls = _KNOWN.get(machine or platform.machine())
    if calls is None:
        return False
    return load(_program(calls))


def _program(calls: _Calls) -> list[Line]:
    return [
        (LOAD, 0, 0, ARCHITECTURE),
        (IF_EQUAL, 0, 7, calls.audit),
        (LOAD, 0, 0, NUMBER),
        (IF_AT_LEAST, 5, 0, X32),
        (IF_EQUAL, 4, 0, _IO_URING_SETUP),
        (IF_EQUAL, 0, 2, calls.socket),
        (LOAD, 0, 0, _FIRST_ARGUMENT),
        (IF_EQUAL, 0, 1, socket.AF_UNIX),
        (RETURN, 0, 0, ALLOW),
        (RETURN, 0, 0, REFUSE),
    ]
