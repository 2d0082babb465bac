"""A partner with an ordinary OpenSSH server, not one of ours: full SFTP below a directory, and whatever options a test needs."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gateway.transport.contract import Endpoint, Pace
from gateway.transport.keys import PublicKey, make_key_pair
from gateway.transport.sftp.client import SftpTransport
from tests.fakes.sshd_site import PATIENT, current_account, free_port


@dataclass(frozen=True)
class StockSshd:
    """Where it listens, its keys, and the directory that a login sees."""

    port: int
    host_key: PublicKey
    client_key: Path
    login: Path

    def transport(self, pace: Pace = PATIENT, port: int | None = None) -> SftpTransport:
        endpoint = Endpoint("127.0.0.1", port or self.port, current_account(), "in", self.host_key.line)
        return SftpTransport(endpoint, self.client_key, pace)


@contextlib.contextmanager
def stock_sshd(directory: Path, options: Sequence[str] = (), sftp_options: str = "") -> Iterator[StockSshd]:
    """An sshd with `options` as extra lines of its configuration and `sftp_options` for internal-sftp."""
    directory.mkdir(exist_ok=True)
    login = directory / "login"
    for name in ("in", "out"):
        (login / name).mkdir(parents=True)
    host_key = make_key_pair(directory / "host")
    client = make_key_pair(directory / "client")
    (directory / "authorized_keys").write_text(client.line + "\n", encoding="ascii")
    port = free_port()
    config = directory / "sshd_config"
    config.write_text(
        "\n".join(
            [
                *options,  # the first value counts
                f"ListenAddress 127.0.0.1:{port}",
                f"HostKey {directory / 'host'}",
                "PidFile none",
                f"AuthorizedKeysFile {directory / 'authorized_keys'}",
                "StrictModes no",
                "UsePAM no",
                "PermitRootLogin prohibit-password",
                "PasswordAuthentication no",
                "Subsystem sftp internal-sftp",
                f"ForceCommand internal-sftp -d {login} {sftp_options}",
            ]
        )
        + "\n",
        encoding="ascii",
    )
    program = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    assert program is not None
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    listening = threading.Event()
    said: list[str] = []
    process = subprocess.Popen([program, "-D", "-e", "-f", str(config)], stderr=subprocess.PIPE)
    reader = threading.Thread(target=_read, args=(process.stderr, listening, said), daemon=True)
    reader.start()
    try:
        assert listening.wait(10), said
        yield StockSshd(port, host_key, directory / "client", login)
    finally:
        process.terminate()
        process.wait(10)
        reader.join(10)
        if process.stderr is not None:
            process.stderr.close()


def _read(stream: IO[bytes], listening: threading.Event, said: list[str]) -> None:
    for line in stream:
        said.append(line.decode("utf-8", "replace"))
        if b"Server listening on" in line:
            listening.set()
