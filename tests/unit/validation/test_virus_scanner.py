"""What the client makes of the answers of a clamd, good ones and others: one passes, and every other one does not."""

from __future__ import annotations

import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.errors import DiskFailed, FileInfected, GatewayError, ScanFailed, ScanIncomplete, ScannerUnavailable
from gateway.validation.virus_scanner import Clamd, _judge


@contextmanager
def answering(answer: bytes, *, late: bool = False) -> Iterator[Clamd]:
    """A client of something that says `answer` to the first that asks, or nothing while `late`."""
    over = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            asked = b""
            while asked[-1:] != b"\0" or asked == b"zFILDES\0":
                asked += connection.recv(64)
            if late:
                over.wait(30)
            with suppress(BrokenPipeError):
                connection.sendall(answer)

    with tempfile.TemporaryDirectory(prefix="clamd-") as directory, socket.socket(socket.AF_UNIX) as listener:
        path = f"{directory}/s"
        listener.bind(path)
        listener.listen(1)
        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield Clamd(path, "", 0, 0.3 if late else 30.0, 1000)
        finally:
            over.set()
            thread.join()


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "x").write_bytes(b"x")
    return tmp_path / "x"


@pytest.mark.parametrize("answer", [b"fd[11]: OK\0", b"stream: OK\0", b"stream: OK"])
def test_one_answer_passes(file: Path, answer: bytes) -> None:
    with answering(answer) as clamd:
        clamd.scan(file)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (b"fd[11]: Eicar-Test-Signature FOUND\0", FileInfected),
        (b"fd[11]: A name: with OK in it FOUND\0", FileInfected),
        (b"fd[11]: Heuristics.Limits.Exceeded.MaxFileSize FOUND\0", ScanIncomplete),
        (b"INSTREAM size limit exceeded. ERROR\0", ScanIncomplete),
        (b"fd[11]: Can't allocate memory ERROR\0", ScanFailed),
        (b"UNKNOWN COMMAND\0", ScanFailed),
        (b"OK\0", ScanFailed),
        (b"fd[11]: OK\0fd[12]: OK\0", ScanFailed),
        (b"", ScannerUnavailable),
        (b"\0", ScannerUnavailable),
    ],
)
def test_every_other_answer_does_not(file: Path, answer: bytes, error: type[GatewayError]) -> None:
    with answering(answer) as clamd, pytest.raises(error):
        clamd.scan(file)


@given(st.text(max_size=80) | st.from_regex(r"fd\[[0-9]+\]: .{0,20}( FOUND| ERROR|OK)", fullmatch=True))
@example("stream: OK\n")
@example("fd[1]:  OK")
def test_no_text_passes_by_accident(answer: str) -> None:
    if answer.partition(":")[2] == " OK" and answer.partition(":")[0]:
        return
    with pytest.raises((FileInfected, ScanFailed, ScanIncomplete)) as raised:
        _judge(answer)
    assert raised.value.reason.isprintable()


def test_scanner_that_does_not_answer_in_time_is_unavailable(file: Path) -> None:
    with answering(b"fd[11]: OK\0", late=True) as clamd, pytest.raises(ScannerUnavailable, match="in time"):
        clamd.scan(file)


def test_something_else_at_the_socket_is_no_scanner() -> None:
    with answering(b"220 mail.example ESMTP\r\n") as clamd, pytest.raises(ScannerUnavailable):
        clamd.ping()
    with answering(b"PONG\0") as clamd:
        clamd.ping()


def test_file_that_cannot_be_read_is_the_disk_s_fault(tmp_path: Path) -> None:
    with pytest.raises(DiskFailed):
        Clamd(str(tmp_path / "s"), "", 0, 1.0, 10).scan(tmp_path / "absent")
