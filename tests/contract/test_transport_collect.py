"""What a transport promises about fetching: only sealed files, whole or not at all, from servers of three makes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

import pytest

from gateway.errors import RemoteRefused, UploadIncomplete
from gateway.transport.contract import Remote
from gateway.transport.folder import FolderTransport
from gateway.transport.sftp.client import SftpSession, SftpTransport
from tests.fakes.asyncssh_partner import asyncssh_partner
from tests.fakes.proftpd_partner import needs_proftpd, proftpd_partner
from tests.fakes.sshd_stock import stock_sshd

EARLY = "019aa6f2-7c1e-7b3a-9d55-3f0a1b2c3d4e"
LATE = "019aa6f2-7c1f-7000-8000-000000000000"


class Partner(Protocol):
    """Its server, and the directory that a login sees."""

    @property
    def login(self) -> Path: ...

    def transport(self) -> SftpTransport: ...


MAKES: dict[str, Callable[[Path], AbstractContextManager[Partner]]] = {
    "openssh": stock_sshd,
    "asyncssh": asyncssh_partner,
    "proftpd": proftpd_partner,
}


@pytest.fixture(params=["openssh", "asyncssh", pytest.param("proftpd", marks=needs_proftpd)])
def partner(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Partner]:
    with MAKES[request.param](tmp_path / "partner") as partner:
        yield partner


@pytest.fixture
def session(partner: Partner) -> Iterator[SftpSession]:
    session = partner.transport().connect()
    yield session
    session.close()


def test_only_sealed_files_are_seen_oldest_first(partner: Partner, session: SftpSession) -> None:
    out = partner.login / "out"
    for name in [f"{LATE}.pgp", f"{EARLY}.pgp", f"{EARLY}.receipt.pgp"]:
        (out / name).write_bytes(b"12345")
    for name in [f"{EARLY}.pgp.part", "notes.txt", "a.pgp", f"{EARLY.upper()}.pgp", f"..{EARLY}.pgp", f"{EARLY}.pgp\n"]:
        (out / name).write_bytes(b"x")
    (out / f"{LATE}.receipt.pgp").mkdir()
    assert session.waiting() == [
        Remote(f"{EARLY}.pgp", 5),
        Remote(f"{EARLY}.receipt.pgp", 5),
        Remote(f"{LATE}.pgp", 5),
    ]


@pytest.mark.parametrize("size", [0, 1, 131_072, 3_000_001])
def test_a_fetched_file_is_byte_identical_and_stays_at_the_partner(
    partner: Partner, session: SftpSession, tmp_path: Path, size: int
) -> None:
    content = os.urandom(size)
    source = partner.login / "out" / f"{EARLY}.pgp"
    source.write_bytes(content)
    [remote] = session.waiting()
    session.fetch(remote, tmp_path / "got.pgp")
    assert (tmp_path / "got.pgp").read_bytes() == content
    assert source.exists()
    session.remove(remote)
    assert not source.exists()
    session.remove(remote)  # gone already: removed


@pytest.mark.parametrize("now", [b"short", b"longer than it was when it was listed"])
def test_a_file_that_changed_since_the_listing_is_not_taken(
    partner: Partner, session: SftpSession, tmp_path: Path, now: bytes
) -> None:
    source = partner.login / "out" / f"{EARLY}.pgp"
    source.write_bytes(b"as it was listed")
    [remote] = session.waiting()
    source.write_bytes(now)
    target = tmp_path / "taken"
    target.mkdir()
    with pytest.raises(UploadIncomplete):
        session.fetch(remote, target / "got.pgp")
    assert list(target.iterdir()) == []


def test_fetching_never_overwrites(partner: Partner, session: SftpSession, tmp_path: Path) -> None:
    (partner.login / "out" / f"{EARLY}.pgp").write_bytes(b"new")
    [remote] = session.waiting()
    target = tmp_path / "got.pgp"
    target.write_bytes(b"old")
    with pytest.raises(Exception, match="File exists"):
        session.fetch(remote, target)
    assert target.read_bytes() == b"old"


def test_only_sealed_names_are_fetched_or_removed(session: SftpSession, tmp_path: Path) -> None:
    for name in ("../in/x.pgp", "notes.txt", f"{EARLY}.pgp/.."):
        with pytest.raises(ValueError, match="sealed"):
            session.fetch(Remote(name, 1), tmp_path / "x")
        with pytest.raises(ValueError, match="sealed"):
            session.remove(Remote(name, 1))


def test_a_file_that_is_gone_is_refused_by_the_partner(session: SftpSession, tmp_path: Path) -> None:
    with pytest.raises(RemoteRefused):
        session.fetch(Remote(f"{EARLY}.pgp", 1), tmp_path / "x")


def test_nothing_waits_in_a_folder_of_our_own(tmp_path: Path) -> None:
    (tmp_path / f"{EARLY}.pgp").write_bytes(b"ours")
    session = FolderTransport(tmp_path).connect()
    assert session.waiting() == []
    with pytest.raises(RemoteRefused):
        session.fetch(Remote(f"{EARLY}.pgp", 4), tmp_path / "x")
    with pytest.raises(RemoteRefused):
        session.remove(Remote(f"{EARLY}.pgp", 4))
    session.close()
