"""SFTP version 3 on an open SSH channel: requests out, answers in, as many under way as the caller likes.

Raises SftpStatus for an answer that is not OK, SFTPError for one that makes no sense, GreetingPrinted for text before the
first, ExtensionUnserved for a server that ends the session over what it offered, LinkTimeout when the watch's timeout ends,
and what paramiko's channel raises. Why not paramiko's SFTPClient: its pipelined writes swallow a full remote disk, its
close swallows every error, it does not say which extensions the server offers, and its waits have no end. Here every
single answer is checked, an answer that nobody asked for ends the session, and nothing from the server is trusted beyond
`_LARGEST_ANSWER` bytes.

The protocol: draft-ietf-secsh-filexfer-02; the extensions: OpenSSH's PROTOCOL, section 4. Long because one class owns the
session, and every request of it has its own checks.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Final, cast

import paramiko
from paramiko.sftp import SFTPError

from gateway.errors import ExtensionUnserved, GreetingPrinted, LinkTimeout
from gateway.transport.faults import LINK_FAULTS, SftpStatus, StatusCode
from gateway.transport.sftp.habits import FSYNC, OFFERS, Habits
from gateway.transport.sftp.packets import (
    AnswerKind,
    Attributes,
    DirectoryEntry,
    Mode,
    PacketReader,
    Request,
    string,
    text,
)
from gateway.transport.sftp.timeouts import Watch

VERSION: Final = 3
_LARGEST_ANSWER: Final = 1 << 20
_SAFE_REQUEST: Final = 32 * 1024
_LARGEST_REQUEST: Final = 128 * 1024
_MOST_ENTRIES: Final = 200_000
_OVERHEAD: Final = 1024
_ENDINGS: Final[tuple[type[BaseException], ...]] = (LinkTimeout, *LINK_FAULTS)


class SftpChannel:
    """One SFTP session. Requests are numbered; `submit` sends one, `answer` waits for the answer to it."""

    def __init__(self, channel: paramiko.Channel, watch: Watch, habits: Habits) -> None:
        self._channel = channel
        self._watch = watch
        self._habits = habits
        self._last = 0
        self._due: set[int] = set()
        self._early: dict[int, tuple[int, PacketReader]] = {}
        self.extensions: Mapping[str, str] = self._hello()
        self._refused: set[str] = set()
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

    def answer(self, number: int) -> tuple[int, PacketReader]:
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
    def alive(self) -> bool:
        """Whether the server has not closed it, as far as this end can tell without asking."""
        return not (self._channel.closed or self._channel.eof_received)

    @property
    def has_answers(self) -> bool:
        """Whether an answer can be had without waiting."""
        return bool(self._early) or self._channel.recv_ready()

    def require(self, number: int, wanted: AnswerKind, what: str) -> PacketReader:
        """The answer to `number`, which must be `wanted`; SftpStatus when the server says no."""
        kind, reader = self.answer(number)
        if kind == AnswerKind.STATUS:
            code = StatusCode.of(reader.number())
            if code is StatusCode.OK and wanted is AnswerKind.STATUS:
                return reader
            raise SftpStatus(code, what)
        if kind != wanted:
            raise SFTPError("an answer of the wrong kind")
        return reader

    def done(self, number: int, what: str) -> None:
        """Wait for an OK to `number`."""
        self.require(number, AnswerKind.STATUS, what)

    # -- operations

    def open(self, path: str, mode: Mode) -> bytes:
        number = self.submit(Request.OPEN, string(path), struct.pack(">II", mode, 0))
        return self.require(number, AnswerKind.HANDLE, "open").string()

    def submit_write(self, handle: bytes, offset: int, data: bytes | memoryview) -> int:
        return self.submit(Request.WRITE, string(handle), struct.pack(">QI", offset, len(data)), data=data)

    def submit_read(self, handle: bytes, offset: int, size: int) -> int:
        return self.submit(Request.READ, string(handle), struct.pack(">QI", offset, size))

    def read_answer(self, number: int) -> bytes:
        """The bytes of a read; empty at the end of the file."""
        try:
            return self.require(number, AnswerKind.DATA, "read").string()
        except SftpStatus as status:
            if status.code is StatusCode.EOF:
                return b""
            raise

    def submit_close(self, handle: bytes) -> int:
        return self.submit(Request.CLOSE, string(handle))

    def close_handle(self, handle: bytes) -> None:
        self.done(self.submit_close(handle), "close")

    def fsync(self, handle: bytes) -> bool:
        """Make the file durable; whether the server did."""
        return self.extended(FSYNC, AnswerKind.STATUS, string(handle)) is not None

    def offers(self, extension: str) -> bool:
        """Whether the extension may be asked for: offered, and not known as one that is not served."""
        return extension in self.extensions and extension not in self._refused and not self._habits.avoids(extension)

    def extended(self, extension: str, wanted: AnswerKind, *fields: bytes) -> PacketReader | None:
        """What the server answers to an extension; None where it does not offer it, or offers it and says no.

        Nobody needs what these do, so whatever it says instead is no failure: it is noted, and asked for no more in this
        session. ExtensionUnserved for a server that hangs up or falls silent over it a second time.
        """
        if not self.offers(extension):
            return None
        try:
            kind, reader = self.answer(self.submit(Request.EXTENDED, string(extension), *fields))
        except _ENDINGS as error:
            if self._habits.ended_over(extension):
                raise ExtensionUnserved(
                    f"the partner's server ends the connection over {extension}, which it offers"
                ) from error
            raise
        self._habits.served(extension)
        good = kind == wanted and (kind != AnswerKind.STATUS or reader.number() == StatusCode.OK)
        if good:
            return reader
        self._unserved(extension)
        return None

    def _unserved(self, extension: str) -> None:
        self._refused.add(extension)
        self._habits.met(OFFERS[extension])

    def stat(self, path: str) -> Attributes | None:
        """What lies at `path`; None when nothing does."""
        return self._attributes(Request.STAT, path, "stat")

    def lstat(self, path: str) -> Attributes | None:
        """As `stat`, without following a link."""
        return self._attributes(Request.LSTAT, path, "lstat")

    def _attributes(self, request: Request, path: str, what: str) -> Attributes | None:
        try:
            return self.require(self.submit(request, string(path)), AnswerKind.ATTRS, what).attributes()
        except SftpStatus as status:
            if status.code is StatusCode.NO_SUCH_FILE:
                return None
            raise

    def stat_handle(self, handle: bytes) -> Attributes:
        return self.require(self.submit(Request.FSTAT, string(handle)), AnswerKind.ATTRS, "fstat").attributes()

    def rename(self, old: str, new: str) -> None:
        """Give a file its new name, which must be free: the plain request, never `posix-rename`, which overwrites."""
        self.done(self.submit(Request.RENAME, string(old), string(new)), "rename")

    def remove(self, path: str) -> None:
        self.done(self.submit(Request.REMOVE, string(path)), "remove")

    def real_path(self, path: str) -> str:
        reader = self.require(self.submit(Request.REALPATH, string(path)), AnswerKind.NAME, "realpath")
        if reader.number() != 1:
            raise SFTPError("realpath gave no single name")
        return text(reader.string())

    def list(self, path: str) -> list[DirectoryEntry]:
        """The entries of a directory, `.` and `..` among them, at most `_MOST_ENTRIES`."""
        handle = self.require(self.submit(Request.OPENDIR, string(path)), AnswerKind.HANDLE, "opendir").string()
        entries: list[DirectoryEntry] = []
        while len(entries) < _MOST_ENTRIES:
            try:
                reader = self.require(self.submit(Request.READDIR, string(handle)), AnswerKind.NAME, "readdir")
            except SftpStatus as status:
                if status.code is StatusCode.EOF:
                    break
                raise
            for _ in range(reader.number()):
                name = text(reader.string())
                reader.string()
                entries.append(DirectoryEntry(name, reader.attributes()))
        self.close_handle(handle)
        return entries

    def free_bytes(self, path: str) -> int | None:
        """Bytes that an unprivileged user may still write at `path`; None where the server does not say.

        A file system of no blocks at all, and of no room, is how servers that know neither fill in the answer.
        """
        reader = self.extended("statvfs@openssh.com", AnswerKind.EXTENDED_REPLY, string(path))
        if reader is None:
            return None
        try:
            block, fragment, blocks, _, available = (reader.long() for _ in range(5))
        except SFTPError:
            self._unserved("statvfs@openssh.com")
            return None
        unit = fragment or block
        if not unit or (not blocks and not available):
            return None
        return unit * available

    def close(self) -> None:
        self._channel.close()

    # -- beginnings

    def _hello(self) -> Mapping[str, str]:
        self._send(struct.pack(">IBI", 5, Request.INIT, VERSION))
        kind, reader = self._receive(first=True)
        if kind != AnswerKind.VERSION or reader.number() < VERSION:
            raise SFTPError("not SFTP version 3")
        extensions: dict[str, str] = {}
        while reader.more:
            name = text(reader.string())
            extensions[name] = text(reader.string())
        return extensions

    def _limits(self) -> tuple[int, int]:
        """The largest write and read: what the server says it takes, 32 KiB where it does not say."""
        reader = self.extended("limits@openssh.com", AnswerKind.EXTENDED_REPLY)
        if reader is None:
            return _SAFE_REQUEST, _SAFE_REQUEST
        try:
            packet, read, write = reader.long(), reader.long(), reader.long()
        except SFTPError:
            self._unserved("limits@openssh.com")
            return _SAFE_REQUEST, _SAFE_REQUEST
        return _bounded(write, packet), _bounded(read, packet)

    # -- bytes

    def _send(self, data: bytes | memoryview) -> None:
        rest = memoryview(data)
        while rest:
            self._channel.settimeout(self._watch.timeout())
            # The stubs know no memoryview; it saves a copy of each request.
            sent = self._channel.send(cast("bytes", rest))
            if sent == 0:
                raise EOFError
            rest = rest[sent:]

    def _receive(self, *, first: bool = False) -> tuple[int, PacketReader]:
        head = self._take(4)
        size = int.from_bytes(head, "big")
        # Text taken for a length is at least 0x09000000, so it is never a length that could be right.
        if first and size > _LARGEST_ANSWER and (head[:1].isspace() or head[:1] == b"\x1b" or head[0] >= 0x20):
            raise GreetingPrinted
        if not 1 <= size <= _LARGEST_ANSWER:
            raise SFTPError("an answer out of all proportion")
        data = self._take(size)
        self._watch.progress()
        return data[0], PacketReader(data[1:])

    def _take(self, size: int) -> bytes:
        pieces: list[bytes] = []
        while size:
            self._channel.settimeout(self._watch.timeout())
            piece = self._channel.recv(size)
            if not piece:
                raise EOFError
            pieces.append(piece)
            size -= len(piece)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def _bounded(limit: int, packet: int) -> int:
    """A request's bytes: what the server takes, within its largest packet and within ours; 0 is how it leaves one unsaid."""
    if packet > 2 * _OVERHEAD:
        limit = min(limit or _SAFE_REQUEST, packet - _OVERHEAD)
    return min(limit, _LARGEST_REQUEST) if limit else _SAFE_REQUEST
