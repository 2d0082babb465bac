"""Let this process and its children write below a few directories only, or connect to a few ports: Landlock, which needs no privilege.

Raises OSError where the kernel knows Landlock and refuses; returns False where it does not know it (before Linux 5.13, for ports 6.7, or
switched off). Reading and executing stay as they are. Source: the kernel's Documentation/userspace-api/landlock.rst.
"""

from __future__ import annotations

import ctypes
import os
import stat
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from gateway.linux.libc import call
from gateway.linux.process import refuse_new_privileges

_CREATE_RULESET: Final = 444  # the same numbers on every architecture
_ADD_RULE: Final = 445
_RESTRICT_SELF: Final = 446
_VERSION_FLAG: Final = 1
_RULE_PATH_BENEATH: Final = 1
_RULE_NET_PORT: Final = 2

_WRITE_FILE: Final = 1 << 1
_TRUNCATE: Final = 1 << 14
_REMOVE_DIR: Final = 1 << 4
_REMOVE_FILE: Final = 1 << 5
_BIND_TCP: Final = 1
_CONNECT_TCP: Final = 2
_KNOWS_PORTS: Final = 4
"""Landlock's version from which on it has rules for ports."""
_MAKE_REGULAR: Final = 1 << 8
_MAKE_ANY: Final = 0b1111111 << 6
"""Character device, directory, regular file, socket, pipe, block device, symbolic link."""


class _Ruleset(ctypes.Structure):
    _fields_ = (("handled", ctypes.c_uint64), ("handled_net", ctypes.c_uint64))


_FILES_ALONE: Final = 8
"""Bytes of a ruleset without its second field, which older kernels do not know."""


class _PathBeneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = (("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32))


class _NetPort(ctypes.Structure):
    _fields_ = (("allowed", ctypes.c_uint64), ("port", ctypes.c_uint64))


def confine_connections(ports: Iterable[int]) -> bool:
    """From now on TCP connections can be made to these ports alone, and none be listened for. It cannot be undone, and holds for every
    child. Returns whether the kernel does it.
    """
    if _version() < _KNOWS_PORTS:
        return False
    ruleset = _Ruleset(0, _BIND_TCP | _CONNECT_TCP)
    handle = call("syscall", _CREATE_RULESET, ctypes.byref(ruleset), ctypes.c_size_t(ctypes.sizeof(ruleset)), 0)
    try:
        for port in ports:
            rule = _NetPort(_CONNECT_TCP, port)
            call("syscall", _ADD_RULE, handle, _RULE_NET_PORT, ctypes.byref(rule), 0)
        refuse_new_privileges()
        call("syscall", _RESTRICT_SELF, handle, 0)
    finally:
        os.close(handle)
    return True


def _version() -> int:
    """Landlock's version, 0 where the kernel does not know it."""
    try:
        return call("syscall", _CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION_FLAG)
    except OSError:
        return 0


def confine_writes(directories: Iterable[Path], files: Iterable[Path] = ()) -> bool:
    """From now on files can be made, written, renamed and removed below `directories` alone, and `files` be written.

    Only regular files can be made there: no link, directory, pipe or device. It cannot be undone, and holds for every
    child. A rename or hard link from one directory into another is refused too (Landlock's default). Returns whether
    the kernel does it.
    """
    version = _version()
    if version == 0:
        return False
    truncate = _TRUNCATE if version >= 3 else 0
    ruleset = _Ruleset(_WRITE_FILE | _REMOVE_DIR | _REMOVE_FILE | _MAKE_ANY | truncate, 0)
    handle = call("syscall", _CREATE_RULESET, ctypes.byref(ruleset), ctypes.c_size_t(_FILES_ALONE), 0)
    try:
        for path in directories:
            _allow(handle, path, _WRITE_FILE | _REMOVE_FILE | _MAKE_REGULAR | truncate)
        for path in files:
            _allow(handle, path, _WRITE_FILE | truncate)
        refuse_new_privileges()
        call("syscall", _RESTRICT_SELF, handle, 0)
    finally:
        os.close(handle)
    return True


def _allow(ruleset: int, path: Path, rights: int) -> None:
    parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(parent).st_mode):
            rights &= _WRITE_FILE | _TRUNCATE
        rule = _PathBeneath(rights, parent)
        call("syscall", _ADD_RULE, ruleset, _RULE_PATH_BENEATH, ctypes.byref(rule), 0)
    finally:
        os.close(parent)
