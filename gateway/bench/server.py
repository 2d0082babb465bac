"""An sshd for the scripts and for rclone: the gateway's own server's configuration, with every request of SFTP allowed.

Partners of a gateway may only add files; rclone lists, renames and sets times. Everything else (program, ciphers, key
exchange, host key's kind) is the same text. Raises BenchVoid where it does not start,
BenchUnavailable where there is none.
"""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.bench.contract import BenchUnavailable, BenchVoid
from gateway.transport.keys import make_key_pair
from gateway.transport.sshd.config import render_config
from gateway.transport.sshd.spec import ServerSpec

_PRIVILEGE_SEPARATION: Final = Path("/run/sshd")
_START_SECONDS: Final = 15.0


@dataclass(frozen=True)
class Server:
    """A running sshd: where it listens, who may come in with which key, and where the files land."""

    port: int
    user: str
    key: Path
    known_hosts: Path
    landing: Path
    process: subprocess.Popen[bytes]

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait()


def start_server(root: Path) -> Server:
    """A server whose sessions begin in `root/landing`."""
    landing, ssh = root / "landing", root / "ssh"
    for directory in (landing, ssh):
        directory.mkdir(mode=0o700, parents=True)
    user, port = pwd.getpwuid(os.getuid()).pw_name, free_port()
    spec = ServerSpec("127.0.0.1", port, ssh / "host_key", ssh, landing, user)
    host, client = make_key_pair(spec.host_key), make_key_pair(ssh / "client_key")
    spec.config_file.write_text(render_config(spec, chrooted=False, pam=False, key_reader="/bin/cat"), encoding="utf-8")
    spec.authorized_keys.write_text(f'restrict,command="internal-sftp -d {landing}" {client.line}\n', encoding="utf-8")
    known_hosts = ssh / "known_hosts"
    known_hosts.write_text(f"[127.0.0.1]:{port} {host.line}\n", encoding="utf-8")
    if os.geteuid() == 0:
        _PRIVILEGE_SEPARATION.mkdir(mode=0o755, exist_ok=True)
    sshd = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
    if sshd is None:
        raise BenchUnavailable("there is no sshd on this machine")
    log = (ssh / "log").open("wb")
    command = [sshd, "-D", "-e", "-f", str(spec.config_file)]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    log.close()
    _await(process, port, ssh / "log")
    return Server(port, user, ssh / "client_key", known_hosts, landing, process)


def free_port() -> int:
    """A port of the loopback address that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        if process.poll() is not None or time.monotonic() > deadline:
            raise BenchVoid(f"sshd does not start: {log.read_text(errors='replace')[-300:]}")
        time.sleep(0.05)
