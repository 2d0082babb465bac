"""Shows files to clamd, the daemon of ClamAV, and tells what it answered.

`scan` returns where clamd says that a file is clean, and raises for everything else: FileInfected, ScanIncomplete where
clamd did not or would not look at all of it, ScannerUnavailable where it does not answer, ScanFailed where it answers
that it could not do its work, DiskFailed where the file cannot be read. Fail closed: there is one answer that passes.

Over its socket clamd is given the open file (FILDES) and reads it in place: no second copy of the plaintext, which it
would lay into its temporary directory for a file that is sent to it (INSTREAM, for `host`). clamd calls files clean that
are larger than it looks at, so those are never shown to it. The words are those of clamd(8).
"""

from __future__ import annotations

import os
import re
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

from gateway.errors import DiskFailed, FileInfected, ScanFailed, ScanIncomplete, ScannerUnavailable

_CHUNK: Final = 1 << 16
_LONGEST: Final = 4096
_ANSWER: Final = re.compile(r"[^:]{1,200}: (?:(?P<clean>OK)|(?P<found>.{1,1000}) FOUND)")
_TOO_MUCH: Final = re.compile(r"Heuristics\.Limits\.Exceeded|size limit exceeded", re.IGNORECASE)
_UNPRINTABLE: Final = re.compile(r"[^A-Za-z0-9 ._:/()+-]")


class Clamd:
    """One clamd: at `host` and `port` where `host` is not empty, else at the path `socket_path`. Sizes are in bytes."""

    def __init__(self, socket_path: str, host: str, port: int, seconds: float, max_bytes: int) -> None:
        self._socket_path = socket_path
        self._host = host
        self._port = port
        self._seconds = seconds
        self._max_bytes = max_bytes

    def scan(self, path: Path) -> None:
        """Return if the file is clean."""
        try:
            with path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                if size > self._max_bytes:
                    raise ScanIncomplete(
                        f"it has {size} bytes; [antivirus] max_bytes lets {self._max_bytes} be scanned"
                    )
                answer = self._ask(file)
        except OSError as error:
            raise DiskFailed(f"a file to be scanned cannot be read: {error.strerror}") from error
        _judge(answer)

    def ping(self) -> None:
        """Return if clamd answers."""
        try:
            with self._connect() as connection:
                connection.sendall(b"zPING\0")
                answer = _answer(connection)
        except OSError as error:
            raise self._away(error) from error
        if answer != "PONG":
            raise ScannerUnavailable(f"{self._where()} does not answer as clamd does")

    def _ask(self, file: BinaryIO) -> str:
        try:
            with self._connect() as connection:
                # clamd may have said all that it has to say before it was told everything.
                with suppress(BrokenPipeError, ConnectionResetError):
                    if self._host:
                        _stream(connection, file)
                    else:
                        connection.sendall(b"zFILDES\0")
                        socket.send_fds(connection, [b"\0"], [file.fileno()])
                answer = _answer(connection)
        except OSError as error:
            raise self._away(error) from error
        if not answer:
            raise ScannerUnavailable(f"clamd at {self._where()} broke off")
        return answer

    def _connect(self) -> socket.socket:
        if self._host:
            return socket.create_connection((self._host, self._port), self._seconds)
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            connection.settimeout(self._seconds)
            connection.connect(self._socket_path)
        except OSError:
            connection.close()
            raise
        return connection

    def _where(self) -> str:
        return f"{self._host}:{self._port}" if self._host else self._socket_path

    def _away(self, error: OSError) -> ScannerUnavailable:
        said = "no answer in time" if isinstance(error, TimeoutError) else error.strerror or type(error).__name__
        return ScannerUnavailable(f"clamd at {self._where()}: {said}")


def _stream(connection: socket.socket, file: BinaryIO) -> None:
    """Send the file in pieces, each behind its length."""
    connection.sendall(b"zINSTREAM\0")
    while chunk := _read(file):
        connection.sendall(struct.pack("!L", len(chunk)) + chunk)
    connection.sendall(struct.pack("!L", 0))


def _read(file: BinaryIO) -> bytes:
    try:
        return file.read(_CHUNK)
    except OSError as error:
        raise DiskFailed(f"a file to be scanned cannot be read: {error.strerror}") from error


def _answer(connection: socket.socket) -> str:
    """One answer, which ends in NUL or with the connection."""
    said = b""
    while not said.endswith(b"\0") and len(said) < _LONGEST:
        chunk = connection.recv(_LONGEST)
        if not chunk:
            break
        said += chunk
    return said.rstrip(b"\0\n").decode("ascii", "replace")


def _judge(answer: str) -> None:
    """Raise for every answer but the one."""
    if _TOO_MUCH.search(answer):
        raise ScanIncomplete("clamd did not look at all of it: its limits are too low for this file")
    match = _ANSWER.fullmatch(answer)
    if match is None:
        raise ScanFailed(f"clamd said: {_UNPRINTABLE.sub('?', answer)[:200]}")
    if not match["clean"]:
        raise FileInfected(f"the virus scanner found {_UNPRINTABLE.sub('?', match['found'])[:100]}")
