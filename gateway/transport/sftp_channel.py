"""SFTP version 3 on an open SSH channel: requests out, answers in, as many under way as the caller likes.

Raises SftpStatus for an answer that is not OK, SFTPError for one that makes no sense, LinkTimeout when the watch's patience
ends, and what paramiko's channel raises. Why not paramiko's SFTPClient: its pipelined writes swallow a full remote disk, its
close swallows every error, it does not say which extensions the server offers, and its waits have no end. Here every
single answer is checked, an answer that nobody asked for ends the session, and nothing from the server is trusted beyond
`_LARGEST_ANSWER` bytes.

The protocol: draft-ietf-secsh-filexfer-02; the extensions: OpenSSH's PROTOCOL, section 4.
"""

from __future__ import annotations

import stat
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Final, cast

import paramiko
from paramiko.sftp import SFTPError

from gateway.transport.faults import SftpStatus, StatusCode
from gateway.transport.patience import Watch

VERSION: Final = 3
_LARGEST_ANSWER: Final = 1 << 20
_SAFE_REQUEST: Final = 32 * 1024
_LARGEST_REQUEST: Final = 128 * 1024
_MOST_ENTRIES: Final = 200_000


class Request(IntEnum):
    """The packet types that this client sends."""

    INIT = 1
    OPEN = 3
    CLOSE = 4
    READ = 5
    WRITE = 6
    FSTAT = 8
    OPENDIR = 11
    READDIR = 12
    REMOVE = 13
    REALPATH = 16
    STAT = 17
    RENAME = 18
    EXTENDED = 200


class Answer(IntEnum):
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
    def is_directory(self) -> bool:
        return self.mode is not None and stat.S_ISDIR(self.mode)


@dataclass(frozen=True)
class Entry:
    """One line of a directory."""

    name: str
    attributes: Attributes


class _Reader:
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


class SftpChannel:
    """One SFTP session. Requests are numbered; `submit` sends one, `answer` waits for the answer to it."""

    def __init__(self, channel: paramiko.Channel, watch: Watch) -> None:
        self._channel = channel
        self._watch = watch
        self._last = 0
        self._due: set[int] = set()
        self._early: dict[int, tuple[int, _Reader]] = {}
        self.extensions: Mapping[str, str] = self._hello()
        self.largest_write, self.largest_read = self._limits()

    # -- requests and answers

    def submit(self, kind: Request, *fields: bytes, data: bytes | memoryview = b"") -> int:
        """Send a request of already packed `fields` and raw `data` after them; its number, to ask for the answer."""
        self._last = (self._last + 1) & 0xFFFF_FFFF
        body = b"".join(fields)
        self._send(struct.pack(">IBI", 5 + len(body) + len(data), kind, self._last) + body)
        if data:
            self._send(data)
        self._due.add(self._last)
        return self._last

    def answer(self, number: int) -> tuple[int, _Reader]:
        """The answer to request `number`; answers to others that come first are kept for them."""
        while number not in self._early:
            kind, reader = self._receive()
            came = reader.number()
            if came not in self._due:
                raise SFTPError("an answer to nothing")
            self._due.remove(came)
            self._early[came] = (kind, reader)
        return self._early.pop(number)

    @property
    def has_answers(self) -> bool:
        """Whether an answer can be had without waiting."""
        return bool(self._early) or self._channel.recv_ready()

    def expect(self, number: int, wanted: Answer, what: str) -> _Reader:
        """The answer to `number`, which must be `wanted`; SftpStatus when the server says no."""
        kind, reader = self.answer(number)
        if kind == Answer.STATUS:
            code = StatusCode.of(reader.number())
            if code is StatusCode.OK and wanted is Answer.STATUS:
                return reader
            raise SftpStatus(code, what)
        if kind != wanted:
            raise SFTPError("an answer of the wrong kind")
        return reader

    def done(self, number: int, what: str) -> None:
        """Wait for an OK to `number`."""
        self.expect(number, Answer.STATUS, what)

    # -- operations

    def open(self, path: str, mode: Mode) -> bytes:
        number = self.submit(Request.OPEN, string(path), struct.pack(">II", mode, 0))
        return self.expect(number, Answer.HANDLE, "open").string()

    def submit_write(self, handle: bytes, offset: int, data: bytes | memoryview) -> int:
        return self.submit(Request.WRITE, string(handle), struct.pack(">QI", offset, len(data)), data=data)

    def submit_read(self, handle: bytes, offset: int, size: int) -> int:
        return self.submit(Request.READ, string(handle), struct.pack(">QI", offset, size))

    def read_answer(self, number: int) -> bytes:
        """The bytes of a read; empty at the end of the file."""
        try:
            return self.expect(number, Answer.DATA, "read").string()
        except SftpStatus as status:
            if status.code is StatusCode.EOF:
                return b""
            raise

    def submit_close(self, handle: bytes) -> int:
        return self.submit(Request.CLOSE, string(handle))

    def close_handle(self, handle: bytes) -> None:
        self.done(self.submit_close(handle), "close")

    def submit_fsync(self, handle: bytes) -> int | None:
        """Ask for the file to be durable; None where the server does not offer it."""
        if "fsync@openssh.com" not in self.extensions:
            return None
        return self.submit(Request.EXTENDED, string("fsync@openssh.com"), string(handle))

    def stat(self, path: str) -> Attributes | None:
        """What lies at `path`; None when nothing does."""
        try:
            return self.expect(self.submit(Request.STAT, string(path)), Answer.ATTRS, "stat").attributes()
        except SftpStatus as status:
            if status.code is StatusCode.NO_SUCH_FILE:
                return None
            raise

    def stat_handle(self, handle: bytes) -> Attributes:
        return self.expect(self.submit(Request.FSTAT, string(handle)), Answer.ATTRS, "fstat").attributes()

    def rename(self, old: str, new: str) -> None:
        """Give a file its new name, which must be free: the plain request, never `posix-rename`, which overwrites."""
        self.done(self.submit(Request.RENAME, string(old), string(new)), "rename")

    def remove(self, path: str) -> None:
        self.done(self.submit(Request.REMOVE, string(path)), "remove")

    def real_path(self, path: str) -> str:
        reader = self.expect(self.submit(Request.REALPATH, string(path)), Answer.NAME, "realpath")
        if reader.number() != 1:
            raise SFTPError("realpath gave no single name")
        return text(reader.string())

    def list(self, path: str) -> list[Entry]:
        """The entries of a directory, `.` and `..` among them, at most `_MOST_ENTRIES`."""
        handle = self.expect(self.submit(Request.OPENDIR, string(path)), Answer.HANDLE, "opendir").string()
        entries: list[Entry] = []
        while len(entries) < _MOST_ENTRIES:
            try:
                reader = self.expect(self.submit(Request.READDIR, string(handle)), Answer.NAME, "readdir")
            except SftpStatus as status:
                if status.code is StatusCode.EOF:
                    break
                raise
            for _ in range(reader.number()):
                name = text(reader.string())
                reader.string()
                entries.append(Entry(name, reader.attributes()))
        self.close_handle(handle)
        return entries

    def free_bytes(self, path: str) -> int | None:
        """Bytes that an unprivileged user may still write at `path`; None where the server does not say."""
        if "statvfs@openssh.com" not in self.extensions:
            return None
        number = self.submit(Request.EXTENDED, string("statvfs@openssh.com"), string(path))
        reader = self.expect(number, Answer.EXTENDED_REPLY, "statvfs")
        _, fragment, _, _, available = (reader.long() for _ in range(5))
        return fragment * available

    def close(self) -> None:
        self._channel.close()

    # -- beginnings

    def _hello(self) -> Mapping[str, str]:
        self._send(struct.pack(">IBI", 5, Request.INIT, VERSION))
        kind, reader = self._receive()
        if kind != Answer.VERSION or reader.number() < VERSION:
            raise SFTPError("not SFTP version 3")
        extensions: dict[str, str] = {}
        while reader.more:
            name = text(reader.string())
            extensions[name] = text(reader.string())
        return extensions

    def _limits(self) -> tuple[int, int]:
        """The largest write and read: what the server says it takes, 32 KiB where it does not say."""
        if "limits@openssh.com" not in self.extensions:
            return _SAFE_REQUEST, _SAFE_REQUEST
        number = self.submit(Request.EXTENDED, string("limits@openssh.com"))
        try:
            reader = self.expect(number, Answer.EXTENDED_REPLY, "limits")
        except SftpStatus:
            return _SAFE_REQUEST, _SAFE_REQUEST
        reader.long()
        read, write = reader.long(), reader.long()
        return _bounded(write), _bounded(read)

    # -- bytes

    def _send(self, data: bytes | memoryview) -> None:
        rest = memoryview(data)
        while rest:
            self._channel.settimeout(self._watch.patience())
            sent = self._channel.send(
                cast("bytes", rest)
            )  # the stubs know no memoryview; it saves a copy of each request
            if sent == 0:
                raise EOFError
            rest = rest[sent:]

    def _receive(self) -> tuple[int, _Reader]:
        size = int.from_bytes(self._take(4), "big")
        if not 1 <= size <= _LARGEST_ANSWER:
            raise SFTPError("an answer out of all proportion")
        data = self._take(size)
        self._watch.heard()
        return data[0], _Reader(data[1:])

    def _take(self, size: int) -> bytes:
        pieces: list[bytes] = []
        while size:
            self._channel.settimeout(self._watch.patience())
            piece = self._channel.recv(size)
            if not piece:
                raise EOFError
            pieces.append(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def string(value: str | bytes) -> bytes:
    """A string as the protocol packs it: its length, then its bytes."""
    data = value.encode("utf-8") if isinstance(value, str) else value
    return len(data).to_bytes(4, "big") + data


def text(data: bytes) -> str:
    """A name from the server; bytes that are no UTF-8 survive, and match no name of ours."""
    return data.decode("utf-8", errors="surrogateescape")


def _bounded(limit: int) -> int:
    return min(limit, _LARGEST_REQUEST) if limit else _SAFE_REQUEST
