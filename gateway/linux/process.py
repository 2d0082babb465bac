"""What a process gives up, for good and for every child, and how it learns that its parent has ended.

Each function raises OSError where the kernel refuses. Sources: prctl(2), setrlimit(2), capset(2).
"""

from __future__ import annotations

import ctypes
import resource
import struct
from typing import Final

from gateway.linux.libc import call, prctl

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_PR_SET_CHILD_SUBREAPER: Final = 36
_PR_SET_NO_NEW_PRIVS: Final = 38
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_CLEAR_ALL: Final = 4
_CAPABILITY_VERSION: Final = 0x20080522
_CAPABILITY_BYTES: Final = 24


def signal_at_parents_end(number: int) -> None:
    """Have the kernel send this process a signal when its parent ends; ask afterwards whether it has ended already."""
    prctl(_PR_SET_PDEATHSIG, number)


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends."""
    prctl(_PR_SET_CHILD_SUBREAPER, 1)


def refuse_new_privileges() -> None:
    """execve(2) gives no more rights than this process has."""
    prctl(_PR_SET_NO_NEW_PRIVS, 1)


def refuse_inspection() -> None:
    """No core dump, and no process of the same account reads the memory."""
    prctl(_PR_SET_DUMPABLE, 0)


def keep_capabilities(keep: int) -> None:
    """Keep of this process's capabilities those in the bit set `keep`; programs that it starts get none.

    Whoever holds no others does not ask: the systemd units of the roles leave them none, and refuse the call.
    """
    prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL)
    header = ctypes.c_char_p(struct.pack("=Ii", _CAPABILITY_VERSION, 0))
    answer = ctypes.create_string_buffer(_CAPABILITY_BYTES)
    call("capget", header, answer)
    words = struct.unpack("=6I", answer.raw)
    held = words[1] | words[4] << 32
    permitted = held & keep
    if permitted == held:
        return  # without ambient ones, and with none on files, what can be inherited gives a program nothing
    low, high = permitted & 0xFFFF_FFFF, permitted >> 32
    call("capset", header, ctypes.c_char_p(struct.pack("=6I", low, low, 0, high, high, 0)))


def limit_resource(which: int, value: int) -> None:
    """Limit a resource (`resource.RLIMIT_...`); a lower limit that is in force stays."""
    value = at_most(value, resource.getrlimit(which)[1])
    resource.setrlimit(which, (value, value))


def at_most(value: int, hard: int) -> int:
    """The value, or the hard limit where that is lower."""
    return value if hard == resource.RLIM_INFINITY else min(value, hard)
