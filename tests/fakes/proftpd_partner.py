"""A partner with ProFTPD and its mod_sftp, as Debian has them: an SFTP server that shares no code with OpenSSH or ours."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest

from gateway.transport.contract import Endpoint, Pace
from gateway.transport.keys import PublicKey, make_key_pair
from gateway.transport.sftp.client import SftpTransport
from tests.fakes.sshd_site import PATIENT, current_account, free_port, wait_until

_MODULE: Final = Path("/usr/lib/proftpd/mod_sftp.so")


def _program() -> str | None:
    return shutil.which("proftpd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


needs_proftpd = pytest.mark.skipif(
    _program() is None or not _MODULE.exists(),
    reason="ProFTPD is not here: `make extras` installs proftpd-core and proftpd-mod-crypto",
)


@dataclass(frozen=True)
class Proftpd:
    """Where it listens, its keys, and the directory that a login sees."""

    port: int
    host_key: PublicKey
    client_key: Path
    login: Path

    @property
    def drop(self) -> Path:
        return self.login / "in"

    def transport(self, pace: Pace = PATIENT, **options: Any) -> SftpTransport:
        endpoint = Endpoint("127.0.0.1", self.port, current_account(), "in", self.host_key.line)
        return SftpTransport(endpoint, self.client_key, pace, **options)


@contextlib.contextmanager
def proftpd_partner(directory: Path, options: Sequence[str] = (), authorized: str | None = None) -> Iterator[Proftpd]:
    """ProFTPD with `options` as extra lines, letting in the holder of a new key, or of the public key `authorized`."""
    directory.mkdir(exist_ok=True)
    login = directory / "login"
    for name in ("in", "out"):
        (login / name).mkdir(parents=True)
    host_key, client = make_key_pair(directory / "host"), make_key_pair(directory / "client")
    public = directory / "authorized.pub"
    public.write_text(f"{authorized or client.line}\n", encoding="ascii")
    keys = directory / "authorized_keys"
    export = ["ssh-keygen", "-e", "-m", "RFC4716", "-f", str(public)]
    keys.write_bytes(subprocess.run(export, check=True, capture_output=True).stdout)
    account = pwd.getpwuid(os.geteuid())
    users = directory / "users"
    users.write_text(f"{account.pw_name}:*:{account.pw_uid}:{account.pw_gid}::{login}:/bin/sh\n", encoding="ascii")
    users.chmod(0o600)
    port, log = free_port(), directory / "log"
    config = directory / "proftpd.conf"
    lines = [
        "LoadModule mod_sftp.c",
        'ServerName "a partner"',
        "ServerType standalone",
        "DefaultAddress 127.0.0.1",
        "SocketBindTight on",
        f"Port {port}",
        f"User {account.pw_name}",
        f"Group #{account.pw_gid}" if account.pw_uid else "Group root",
        "RootLogin on",
        "UseFtpUsers off",
        "RequireValidShell off",
        "UseReverseDNS off",
        "WtmpLog off",
        "DelayEngine off",
        f"PidFile {directory / 'pid'}",
        f"ScoreboardFile {directory / 'scoreboard'}",
        f"SystemLog {log}",
        f"SFTPLog {directory / 'sftp.log'}",
        "AuthOrder mod_auth_file.c",
        f"AuthUserFile {users}",
        "SFTPEngine on",
        f"SFTPHostKey {directory / 'host'}",
        "SFTPAuthMethods publickey",
        f"SFTPAuthorizedUserKeys file:{keys}",
        "<Directory />",
        "  AllowOverwrite on",
        "</Directory>",
        *options,
    ]
    config.write_text("\n".join(lines) + "\n", encoding="ascii")
    program = _program()
    assert program is not None
    said = directory / "said"
    with said.open("wb") as output:
        process = subprocess.Popen(
            [program, "--nodaemon", "--quiet", "--config", str(config)], stdout=output, stderr=output
        )
    try:
        assert wait_until(lambda: process.poll() is not None or _listens(port), 20)
        assert process.poll() is None, said.read_text(errors="replace")
        yield Proftpd(port, host_key, directory / "client", login)
    finally:
        process.terminate()
        process.wait(10)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
