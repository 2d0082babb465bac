"""A receiving site for tests: the real managed sshd on 127.0.0.1 with one or more partners."""

from __future__ import annotations

import contextlib
import os
import pwd
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from gateway.transport.contract import Endpoint, Pace, Parcel
from gateway.transport.keys import PublicKey, make_key_pair
from gateway.transport.sftp.client import SftpTransport
from gateway.transport.sshd.server import ManagedServer
from gateway.transport.sshd.spec import Account, Chroot, ServerSpec

PATIENT: Final = Pace(connect_timeout=5, auth_timeout=15, answer_timeout=15, grace=30)
HASTY: Final = Pace(connect_timeout=2, auth_timeout=5, answer_timeout=1, grace=2, least_bytes_per_second=1_000_000)


def current_account() -> str:
    return pwd.getpwuid(os.geteuid()).pw_name


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def wait_until(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether `condition` came true in time; polled, so that a quick machine need not wait."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@dataclass
class SshdSite:
    """The running server, its keys, and what it said."""

    directory: Path
    spec: ServerSpec
    host_key: PublicKey
    server: ManagedServer
    lines: list[str] = field(default_factory=list)

    @property
    def port(self) -> int:
        return self.spec.port

    def drop(self, partner: str = "DWP") -> Path:
        return self.spec.landing / partner / "in"

    def client_key(self, partner: str = "DWP") -> Path:
        return self.directory / f"client-{partner}"

    def endpoint(self, *, port: int | None = None, user: str | None = None) -> Endpoint:
        return Endpoint("127.0.0.1", port or self.port, user or self.spec.account, "in", self.host_key.line)

    def transport(
        self, partner: str = "DWP", *, port: int | None = None, pace: Pace = PATIENT, host_key: str | None = None
    ) -> SftpTransport:
        endpoint = self.endpoint(port=port)
        if host_key is not None:
            endpoint = replace(endpoint, host_key=host_key)
        return SftpTransport(endpoint, self.client_key(partner), pace)

    def said(self, words: str) -> bool:
        return any(words in line for line in list(self.lines))


def make_site(
    directory: Path, partners: tuple[str, ...] = ("DWP",), *, chroot: Chroot = Chroot.AUTO, landing: Path | None = None
) -> SshdSite:
    """Keys and description of a site; the server is not started."""
    host_key = make_key_pair(directory / "host")
    accounts = tuple(Account(code, make_key_pair(directory / f"client-{code}").line) for code in partners)
    spec = ServerSpec(
        host="127.0.0.1",
        port=free_port(),
        host_key=directory / "host",
        directory=directory / "ssh",
        landing=landing or directory / "landing",
        account=current_account(),
        accounts=accounts,
        chroot=chroot,
    )
    lines: list[str] = []
    return SshdSite(directory, spec, host_key, ManagedServer(spec, lines.append), lines)


@contextlib.contextmanager
def running_site(
    directory: Path, partners: tuple[str, ...] = ("DWP",), *, chroot: Chroot = Chroot.AUTO, landing: Path | None = None
) -> Iterator[SshdSite]:
    site = make_site(directory, partners, chroot=chroot, landing=landing)
    site.server.start()
    try:
        yield site
    finally:
        site.server.stop()


def parcel(directory: Path, name: str, content: bytes) -> Parcel:
    """A sealed file made of `content`, named `name` here and there."""
    path = directory / f"sealed-{name}"
    path.write_bytes(content)
    return Parcel(path, name, len(content))
