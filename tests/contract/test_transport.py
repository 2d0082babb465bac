"""What every transport promises about sending, on each of them: a folder, and SFTP to servers of four makes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from gateway.errors import DiskFailed, GatewayError, NameTaken
from gateway.transport.contract import Parcel, Session, Transport
from gateway.transport.folder import FolderTransport
from tests.fakes.asyncssh_partner import asyncssh_partner
from tests.fakes.proftpd_partner import needs_proftpd, proftpd_partner
from tests.fakes.sshd_site import parcel, running_site
from tests.fakes.sshd_stock import stock_sshd

ID = "019aa6f2-7c1e-7b3a-9d55-3f0a1b2c3d4e"


@dataclass(frozen=True)
class Case:
    """A transport, and the directory in which its files appear."""

    transport: Transport
    landing: Path
    own: Path

    def parcel(self, name: str, content: bytes) -> Parcel:
        return parcel(self.own, name, content)

    def names(self) -> list[str]:
        return sorted(path.name for path in self.landing.iterdir())


@pytest.fixture(params=["sftp", "folder", "openssh", "asyncssh", pytest.param("proftpd", marks=needs_proftpd)])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Case]:
    own = tmp_path / "own"
    own.mkdir()
    if request.param == "folder":
        landing = tmp_path / "out"
        landing.mkdir()
        yield Case(FolderTransport(landing), landing, own)
    elif request.param == "openssh":
        with stock_sshd(tmp_path / "partner", sftp_options="-u 0077") as stock:
            yield Case(stock.transport(), stock.login / "in", own)
    elif request.param == "asyncssh":
        with asyncssh_partner(tmp_path / "partner") as other:
            yield Case(other.transport(), other.drop, own)
    elif request.param == "proftpd":
        with proftpd_partner(tmp_path / "partner", ["Umask 077"]) as another:
            yield Case(another.transport(), another.drop, own)
    else:
        with running_site(tmp_path) as site:
            yield Case(site.transport(), site.drop(), own)


@pytest.fixture
def session(case: Case) -> Iterator[Session]:
    session = case.transport.connect()
    yield session
    session.close()


def test_parcels_appear_whole_under_their_names_and_nothing_else_does(case: Case, session: Session) -> None:
    contents = {f"{ID}.pgp": os.urandom(300_001), f"{ID}.receipt.pgp": b"r", "plain file.xml.pgp": b""}
    parcels = [case.parcel(name, content) for name, content in contents.items()]
    assert list(session.send(parcels)) == parcels
    assert {name: (case.landing / name).read_bytes() for name in case.names()} == contents


def test_a_parcel_is_yielded_once_it_is_there(case: Case, session: Session) -> None:
    parcels = [case.parcel(f"{number}.pgp", b"x" * number) for number in range(1, 4)]
    for count, sent in enumerate(session.send(iter(parcels)), start=1):
        assert (case.landing / sent.name).stat().st_size == sent.size
        assert len(case.names()) == count


def test_nobody_else_on_the_machine_can_read_what_was_sent(case: Case, session: Session) -> None:
    list(session.send([case.parcel("a.pgp", b"sealed")]))
    assert stat.S_IMODE((case.landing / "a.pgp").stat().st_mode) & 0o077 == 0


def test_sending_again_counts_as_sent_and_leaves_the_file_alone(case: Case, session: Session) -> None:
    first = case.parcel("a.pgp", b"sealed once")
    list(session.send([first]))
    before = (case.landing / "a.pgp").stat()
    assert list(session.send([first])) == [first]
    after = (case.landing / "a.pgp").stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)


def test_a_file_of_another_size_is_never_overwritten(case: Case, session: Session) -> None:
    (case.landing / "a.pgp").write_bytes(b"somebody else's")
    with pytest.raises(NameTaken):
        list(session.send([case.parcel("a.pgp", b"ours")]))
    assert (case.landing / "a.pgp").read_bytes() == b"somebody else's"


def test_a_name_that_is_taken_does_not_end_the_session(case: Case, session: Session) -> None:
    (case.landing / "a.pgp").write_bytes(b"somebody else's")
    with pytest.raises(NameTaken):
        list(session.send([case.parcel("a.pgp", b"ours")]))
    (parcel,) = session.send([case.parcel("b.pgp", b"behind it")])
    assert (case.landing / parcel.name).read_bytes() == b"behind it"


def test_the_rest_of_an_earlier_attempt_is_replaced(case: Case, session: Session) -> None:
    (case.landing / "a.pgp.part").write_bytes(b"z" * 5000)
    list(session.send([case.parcel("a.pgp", b"whole")]))
    assert case.names() == ["a.pgp"]
    assert (case.landing / "a.pgp").read_bytes() == b"whole"


def test_the_published_file_survives_an_attempt_that_broke_between_link_and_unlink(
    case: Case, session: Session
) -> None:
    sent = case.parcel("a.pgp", b"whole")
    (case.landing / "a.pgp").write_bytes(b"whole")
    os.link(case.landing / "a.pgp", case.landing / "a.pgp.part")
    list(session.send([sent]))
    assert (case.landing / "a.pgp").read_bytes() == b"whole"


@pytest.mark.parametrize("fault", ["missing", "shorter", "longer"])
def test_a_sealed_file_that_changed_here_is_our_disk_s_fault_and_publishes_nothing(
    case: Case, session: Session, fault: str
) -> None:
    sent = case.parcel("a.pgp", b"as it was sealed")
    if fault == "missing":
        sent.path.unlink()
    else:
        sent.path.write_bytes(b"short" if fault == "shorter" else b"much longer than it was when it was sealed")
    with pytest.raises(DiskFailed):
        list(session.send([sent]))
    assert "a.pgp" not in case.names()


def test_after_an_error_a_new_session_sends_it(case: Case, session: Session) -> None:
    good = case.parcel("a.pgp", b"sealed")
    gone = Parcel(case.own / "nowhere", "b.pgp", 1)
    with pytest.raises(GatewayError):
        list(session.send([gone]))
    again = case.transport.connect()
    try:
        assert list(again.send([good])) == [good]
    finally:
        again.close()


@pytest.mark.parametrize("name", ["../a.pgp", "sub/a.pgp", "", ".hidden", "/etc/a.pgp", "a\0b"])
def test_a_name_that_is_no_plain_file_name_is_refused_before_anything_is_sent(
    case: Case, session: Session, name: str
) -> None:
    sent = case.parcel("a.pgp", b"x")
    with pytest.raises(ValueError, match="plain file name"):
        list(session.send([Parcel(sent.path, name, 1)]))
    assert case.names() == []
