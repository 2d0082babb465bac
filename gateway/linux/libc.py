"""How the C library is called: `call` by name, `prctl` by option; an error number becomes OSError.

It is safe because nothing but numbers, NUL-terminated paths and buffers of our own crosses into C.
"""

from __future__ import annotations

import ctypes
import errno
import os
from typing import Final

_LIBC: Final = ctypes.CDLL(None, use_errno=True)


def call(name: str, *arguments: object) -> int:
    """The result of the C library's function; OSError with its errno below 0, ENOSYS where the library lacks it."""
    function = getattr(_LIBC, name, None)
    if function is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    result: int = function(*arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


def prctl(option: int, value: int, argument: object = 0) -> None:
    """Change an attribute of this process."""
    unused = ctypes.c_ulong(0)
    third = ctypes.c_ulong(argument) if isinstance(argument, int) else argument
    call("prctl", ctypes.c_int(option), ctypes.c_ulong(value), third, unused, unused)
