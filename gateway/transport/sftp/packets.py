"""What is in an SFTP packet: strings, numbers and a file's attributes, as version 3 of the protocol packs them.

Raises SFTPError for an answer that is shorter than it says. Source: draft-ietf-secsh-filexfer-02, sections 3 to 5.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from paramiko.sftp import SFTPError


class Request(IntEnum):
    """The packet types that this client sends."""

    INIT = 1
    OPEN = 3
    CLOSE = 4
    READ = 5
    WRITE = 6
    LSTAT = 7
    FSTAT = 8
    OPENDIR = 11
    READDIR = 12
    REMOVE = 13
    REALPATH = 16
    STAT = 17
    RENAME = 18
    EXTENDED = 200


class AnswerKind(IntEnum):
    """The packet types that a server sends."""

    VERSION = 2
    STATUS = 101
    HANDLE = 102
    DATA = 103
    NAME = 104
    ATTRS = 105
    EXTENDED_REPLY = 201


class Mode(IntFlag):
    """How a file is opened."""

    READ = 0x01
    WRITE = 0x02
    CREATE = 0x08
    TRUNCATE = 0x10


@dataclass(frozen=True)
class Attributes:
    """What the server says of a file; None where it keeps silent."""

    size: int | None
    mode: int | None

    @property
    def is_file(self) -> bool:
        return self.mode is None or stat.S_ISREG(self.mode)

    @property
    def may_be_directory(self) -> bool:
        return self.mode is None or stat.S_ISDIR(self.mode)


@dataclass(frozen=True)
class DirectoryEntry:
    """One line of a directory."""

    name: str
    attributes: Attributes


class PacketReader:
    """Takes an answer apart; a short one is an SFTPError."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def more(self) -> bool:
        return self._at < len(self._data)

    def take(self, size: int) -> bytes:
        end = self._at + size
        if end > len(self._data):
            raise SFTPError("answer too short")
        piece = self._data[self._at : end]
        self._at = end
        return piece

    def number(self) -> int:
        return int.from_bytes(self.take(4), "big")

    def long(self) -> int:
        return int.from_bytes(self.take(8), "big")

    def string(self) -> bytes:
        return self.take(self.number())

    def attributes(self) -> Attributes:
        flags = self.number()
        size = self.long() if flags & 0x1 else None
        if flags & 0x2:
            self.take(8)
        mode = self.number() if flags & 0x4 else None
        if flags & 0x8:
            self.take(8)
        if flags & 0x8000_0000:
            for _ in range(self.number()):
                self.string()
                self.string()
        return Attributes(size, mode)


def string(value: str | bytes) -> bytes:
    """A string as the protocol packs it: its length, then its bytes."""
    data = value.encode("utf-8") if isinstance(value, str) else value
    return len(data).to_bytes(4, "big") + data


def text(data: bytes) -> str:
    """A name from the server; bytes that are no UTF-8 survive, and match no name of ours."""
    return data.decode("utf-8", errors="surrogateescape")
