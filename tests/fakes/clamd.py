"""A real clamd for tests: its one signature is made here, it listens where the test says, and nothing is downloaded."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.errors import ScannerUnavailable
from gateway.validation.virus_scanner import Clamd
from tests.fakes.sshd_site import free_port

MARK = b"GATEWAY-TEST-SIGNATURE-OF-NO-VIRUS"
"""What the signature matches."""
NAME = "Gateway.Test.NoVirus"
LIMIT = 1_000_000
"""Bytes that this clamd looks at."""

PROGRAM = shutil.which("clamd", path="/usr/sbin:/usr/local/sbin:/usr/bin:/bin")
needs_clamd = pytest.mark.skipif(PROGRAM is None, reason="clamd is not installed: `apt-get install clamav-daemon`")


@dataclass(frozen=True)
class Daemon:
    """A clamd that is running; `port` is that of 127.0.0.1."""

    socket: Path
    port: int

    def client(self, *, max_bytes: int = LIMIT, seconds: float = 30.0, host: str = "") -> Clamd:
        return Clamd(str(self.socket), host, self.port, seconds, max_bytes)


@contextmanager
def running_clamd(socket: Path | None = None) -> Iterator[Daemon]:
    """Start clamd, wait until it answers, and end it. A socket's path has to be short, so its directory is its own."""
    assert PROGRAM is not None
    with tempfile.TemporaryDirectory(prefix="clamd-") as made:
        directory = Path(made)
        (directory / "db").mkdir()
        (directory / "db" / "test.ndb").write_text(f"{NAME}:0:*:{MARK.hex()}\n")
        daemon = Daemon(socket or directory / "clamd.sock", free_port())
        settings = {
            "DatabaseDirectory": directory / "db",
            "LocalSocket": daemon.socket,
            "TCPSocket": daemon.port,
            "TCPAddr": "127.0.0.1",
            "TemporaryDirectory": directory,
            "Foreground": "yes",
            "MaxThreads": 2,
            "MaxFileSize": LIMIT,
            "MaxScanSize": LIMIT,
            "StreamMaxLength": LIMIT,
            "AlertExceedsMax": "yes",
            "SelfCheck": 0,
        }
        conf = directory / "clamd.conf"
        conf.write_text("".join(f"{key} {value}\n" for key, value in settings.items()))
        with (directory / "clamd.log").open("wb") as log:
            process = subprocess.Popen([PROGRAM, "-c", conf], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            _wait(daemon, process, directory / "clamd.log")
            yield daemon
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(daemon: Daemon, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 30
    for client in (daemon.client(seconds=5), daemon.client(seconds=5, host="127.0.0.1")):
        while True:
            try:
                client.ping()
                break
            except ScannerUnavailable as error:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(f"clamd does not answer:\n{log.read_text()[-2000:]}") from error
                time.sleep(0.05)
