"""The SFTP transport against a real sshd, and what becomes of a link that breaks, stalls, lies or is refused."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gateway.errors import (
    AuthenticationRefused,
    Defer,
    GatewayError,
    HostKeyChanged,
    LinkBroken,
    LinkTimeout,
    NoCommonAlgorithm,
    PartnerUnreachable,
    RemoteDiskFull,
    RemoteRefused,
    UploadIncomplete,
)
from gateway.transport.contract import Endpoint, Pace
from gateway.transport.keys import make_key_pair
from gateway.transport.sftp.bandwidth import Bandwidth
from gateway.transport.sftp.channel import SftpChannel
from gateway.transport.sftp.check import check_link
from gateway.transport.sftp.client import SftpSession, SftpTransport
from gateway.transport.sftp.packets import Request
from tests.fakes.proxy import Faults, spoiling_proxy
from tests.fakes.sshd_site import HASTY, SshdSite, free_port, parcel, running_site, wait_until
from tests.fakes.sshd_stock import stock_sshd

MEGABYTE = 1_000_000


@pytest.fixture
def site(tmp_path: Path) -> Iterator[SshdSite]:
    with running_site(tmp_path) as site:
        yield site


def test_a_large_file_arrives_byte_identical(site: SshdSite, tmp_path: Path) -> None:
    block = os.urandom(1 << 20)
    big = parcel(tmp_path, "big.pgp", block * 64)
    session = site.transport().connect()
    try:
        assert session.cipher.startswith("aes128-gcm")
        list(session.send([big]))
    finally:
        session.close()
    with (site.drop() / "big.pgp").open("rb") as landed:
        digest = hashlib.file_digest(landed, "sha256").hexdigest()
    assert digest == hashlib.sha256(block * 64).hexdigest()


def test_one_session_serves_many_sends(site: SshdSite, tmp_path: Path) -> None:
    session = site.transport().connect()
    try:
        for number in range(20):
            list(session.send([parcel(tmp_path, f"{number}.pgp", b"x" * number)]))
        assert session.alive
    finally:
        session.close()
    assert len(list(site.drop().iterdir())) == 20
    assert sum("Accepted publickey" in line for line in site.lines) == 1


def test_a_file_costs_its_line_seven_round_trips(
    site: SshdSite, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each is needed: is it there already, open, write, durable, closed, is it whole, its name."""
    session = site.transport().connect()
    list(session.send([parcel(tmp_path, "first.pgp", b"the first opens the session")]))
    asked: list[Request] = []
    submit = SftpChannel.submit

    def noted(channel: SftpChannel, kind: Request, *fields: bytes, data: bytes | memoryview = b"") -> int:
        asked.append(kind)
        return submit(channel, kind, *fields, data=data)

    monkeypatch.setattr(SftpChannel, "submit", noted)
    list(session.send([parcel(tmp_path, "second.pgp", b"another")]))
    session.close()
    upload = (Request.OPEN, Request.WRITE, Request.EXTENDED, Request.CLOSE)
    assert asked == [Request.STAT, *upload, Request.STAT, Request.RENAME]


def test_a_wrong_host_key_sends_no_byte_of_authentication(site: SshdSite, tmp_path: Path) -> None:
    other = make_key_pair(tmp_path / "other-host")
    with pytest.raises(HostKeyChanged):
        site.transport(host_key=other.line).connect()
    assert wait_until(lambda: site.said("[preauth]"))  # closed or reset: its last word about that connection
    for words in ("Accepted", "Failed", "authenticating user", "Invalid user"):
        assert not site.said(words)


def test_a_server_without_the_pinned_kind_of_host_key_counts_as_changed(site: SshdSite, tmp_path: Path) -> None:
    kind = "ecdsa-sha2-nistp256"
    subprocess.run(["ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", str(tmp_path / "ecdsa")], check=True)
    line = (tmp_path / "ecdsa.pub").read_text(encoding="ascii")
    assert line.startswith(kind)
    with pytest.raises(HostKeyChanged):
        site.transport(host_key=line).connect()


def test_a_pin_that_cannot_be_read_is_held_before_connecting(site: SshdSite) -> None:
    with pytest.raises(HostKeyChanged):
        site.transport(host_key="ssh-ed25519 nonsense").connect()
    assert not site.said("Connection from")


def test_an_unknown_key_is_refused(site: SshdSite, tmp_path: Path) -> None:
    make_key_pair(tmp_path / "stranger")
    with pytest.raises(AuthenticationRefused):
        SftpTransport(site.endpoint(), tmp_path / "stranger", HASTY).connect()
    assert wait_until(lambda: site.said("Failed publickey"))


def test_a_missing_or_damaged_client_key_is_said_so(site: SshdSite, tmp_path: Path) -> None:
    (tmp_path / "damaged").write_bytes(
        b"-----BEGIN OPENSSH PRIVATE KEY-----\nnonsense\n-----END OPENSSH PRIVATE KEY-----\n"
    )
    for name in ("damaged", "absent"):
        with pytest.raises(GatewayError):
            SftpTransport(site.endpoint(), tmp_path / name, HASTY).connect()


def test_only_weak_algorithms_are_no_common_algorithm(tmp_path: Path) -> None:
    for number, weak in enumerate(("Ciphers aes128-cbc,3des-cbc", "KexAlgorithms diffie-hellman-group14-sha1")):
        with (
            stock_sshd(tmp_path / str(number), [weak]) as partner,
            pytest.raises(NoCommonAlgorithm),
        ):
            partner.transport().connect()


def test_weak_macs_are_no_common_algorithm(tmp_path: Path) -> None:
    with (
        stock_sshd(tmp_path / "weak", ["Ciphers aes128-ctr", "MACs hmac-sha1,hmac-md5"]) as partner,
        pytest.raises(NoCommonAlgorithm),
    ):
        partner.transport().connect()


def test_an_ordinary_server_without_aes_gcm_still_works(tmp_path: Path) -> None:
    with stock_sshd(tmp_path / "ctr", ["Ciphers aes256-ctr", "MACs hmac-sha2-512"]) as partner:
        session = partner.transport().connect()
        assert session.cipher == "aes256-ctr"
        list(session.send([parcel(tmp_path, "a.pgp", b"sealed" * 100_000)]))
        session.close()
        assert (partner.login / "in" / "a.pgp").stat().st_size == 600_000


def test_a_server_without_extensions_still_works(tmp_path: Path) -> None:
    # Refused as requests, though the version packet names them: as a server that half knows them.
    with stock_sshd(tmp_path / "old", sftp_options="-P limits") as partner:
        session = partner.transport().connect()
        assert session.channel.largest_write == 32 * 1024
        list(session.send([parcel(tmp_path, "a.pgp", os.urandom(500_000))]))
        session.close()
        assert (partner.login / "in" / "a.pgp").stat().st_size == 500_000


@pytest.mark.parametrize("cut_at", [10, 1_000, 3_000, 6_000, MEGABYTE])
def test_a_cut_line_leaves_no_final_name_and_the_next_session_sends_it(
    site: SshdSite, tmp_path: Path, cut_at: int
) -> None:
    sent = parcel(tmp_path, "a.pgp", os.urandom(4 * MEGABYTE))
    with spoiling_proxy(site.port, Faults(cut_at=cut_at)) as proxy:
        transport = site.transport(port=proxy.port)
        with pytest.raises((LinkBroken, PartnerUnreachable)):
            list(transport.connect().send([sent]))
        assert not (site.drop() / "a.pgp").exists()
        proxy.faults = Faults()
        session = transport.connect()
        assert list(session.send([sent])) == [sent]
        session.close()
    assert (site.drop() / "a.pgp").read_bytes() == sent.path.read_bytes()


def test_a_flipped_bit_is_never_published(site: SshdSite, tmp_path: Path) -> None:
    with spoiling_proxy(site.port, Faults(flip_at=MEGABYTE)) as proxy:
        session = site.transport(port=proxy.port).connect()
        with pytest.raises(LinkBroken):
            list(session.send([parcel(tmp_path, "a.pgp", os.urandom(3 * MEGABYTE))]))
    assert not (site.drop() / "a.pgp").exists()


@pytest.mark.parametrize("size", [2 * MEGABYTE, 40 * MEGABYTE])
def test_a_partner_that_stops_reading_is_given_up(site: SshdSite, tmp_path: Path, size: int) -> None:
    """The larger file fills every buffer on the way, so that the write itself, not the answer, is what waits."""
    with spoiling_proxy(site.port, Faults(stall_at=MEGABYTE)) as proxy:
        session = site.transport(port=proxy.port, pace=HASTY).connect()
        with pytest.raises(LinkTimeout):
            list(session.send([parcel(tmp_path, "a.pgp", os.urandom(size))]))
        assert not session.alive
    assert not (site.drop() / "a.pgp").exists()


def test_a_trickle_below_the_least_throughput_is_given_up(site: SshdSite, tmp_path: Path) -> None:
    pace = Pace(answer_timeout=10, grace=1, least_bytes_per_second=2 * MEGABYTE)
    with spoiling_proxy(site.port) as proxy:
        transport = site.transport(port=proxy.port, pace=pace)
        proxy.faults = Faults(bytes_per_second=300_000)
        with pytest.raises(LinkTimeout):
            list(transport.connect().send([parcel(tmp_path, "a.pgp", os.urandom(4 * MEGABYTE))]))
    assert not (site.drop() / "a.pgp").exists()


def test_a_server_that_stops_in_mid_upload_breaks_the_link_and_leaves_no_final_name(
    site: SshdSite, tmp_path: Path
) -> None:
    with spoiling_proxy(site.port, Faults(bytes_per_second=4 * MEGABYTE)) as proxy:
        session = site.transport(port=proxy.port).connect()
        part = site.drop() / "a.pgp.part"

        def stop_once_it_flows() -> None:
            wait_until(lambda: part.exists() and part.stat().st_size > 0)
            site.server.stop()

        stopper = threading.Thread(target=stop_once_it_flows)
        stopper.start()
        with pytest.raises(LinkBroken):
            list(session.send([parcel(tmp_path, "a.pgp", os.urandom(20 * MEGABYTE))]))
        stopper.join(20)
    assert not (site.drop() / "a.pgp").exists()
    with pytest.raises(PartnerUnreachable):
        site.transport().connect()


def test_nobody_listening_is_unreachable(site: SshdSite) -> None:
    with pytest.raises(PartnerUnreachable):
        site.transport(port=free_port()).connect()


def test_an_unknown_host_is_unreachable(site: SshdSite) -> None:
    endpoint = Endpoint("partner.invalid", 22, "gateway", "in", site.host_key.line)
    with pytest.raises(PartnerUnreachable):
        SftpTransport(endpoint, site.client_key(), HASTY).connect()


@pytest.mark.parametrize("banner", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"SSH-2.0-mute\r\n"])
def test_a_listener_that_is_no_ssh_server_is_deferred_in_time(site: SshdSite, banner: bytes) -> None:
    pace = Pace(connect_timeout=1, auth_timeout=1, answer_timeout=1)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(5)
        accepted: list[socket.socket] = []

        def greet() -> None:
            connection, _ = listener.accept()
            accepted.append(connection)
            connection.sendall(banner)

        greeter = threading.Thread(target=greet)
        greeter.start()
        with pytest.raises((PartnerUnreachable, LinkTimeout)):
            site.transport(port=listener.getsockname()[1], pace=pace).connect()
        greeter.join(5)
        for connection in accepted:
            connection.close()


def test_a_drop_directory_that_is_not_there_is_refused(site: SshdSite, tmp_path: Path) -> None:
    endpoint = Endpoint("127.0.0.1", site.port, site.spec.account, "elsewhere", site.host_key.line)
    transport = SftpTransport(endpoint, site.client_key(), HASTY)
    with pytest.raises(RemoteRefused):
        list(transport.connect().send([parcel(tmp_path, "a.pgp", b"x")]))
    assert not check_link(transport, "a").usable


def test_a_full_remote_disk_is_told_from_other_failures(tmp_path: Path) -> None:
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(small)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        pytest.skip("mounting a small disk takes root")
    try:
        with running_site(tmp_path, landing=small / "landing") as site:
            session = site.transport().connect()
            with pytest.raises(RemoteDiskFull):
                list(session.send([parcel(tmp_path, "a.pgp", os.urandom(5 * MEGABYTE))]))
            assert not (site.drop() / "a.pgp").exists()
            assert (site.drop() / "a.pgp.part").stat().st_size == 0
            retry = site.transport().connect()
            assert len(list(retry.send([parcel(tmp_path, "b.pgp", os.urandom(MEGABYTE))]))) == 1
            retry.close()
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_remote_file_that_cannot_grow_is_never_published(site: SshdSite, tmp_path: Path) -> None:
    pid = site.server.pid
    assert pid is not None
    subprocess.run(["prlimit", "--fsize=1000000", f"--pid={pid}"], check=True)
    session = site.transport().connect()
    with pytest.raises((UploadIncomplete, LinkBroken)) as caught:
        list(session.send([parcel(tmp_path, "a.pgp", os.urandom(3 * MEGABYTE))]))
    assert isinstance(caught.value, Defer)
    assert not (site.drop() / "a.pgp").exists()


def fetch_all(session: SftpSession, target: Path) -> None:
    for remote in session.waiting():
        session.fetch(remote, target / remote.name)


def test_a_fetch_that_stalls_is_given_up_and_leaves_nothing_here(tmp_path: Path) -> None:
    with stock_sshd(tmp_path / "partner") as partner, spoiling_proxy(partner.port, Faults(stall_at=6_000)) as proxy:
        for number in range(200):
            (partner.login / "out" / f"019aa6f2-7c1e-7b3a-9d55-{number:012x}.pgp").write_bytes(b"x")
        target = tmp_path / "taken"
        target.mkdir()
        session = partner.transport(HASTY, proxy.port).connect()
        with pytest.raises(LinkTimeout):
            fetch_all(session, target)
        assert not [path for path in target.iterdir() if path.suffix == ".part"]


def test_checking_the_link_reports_it_and_leaves_nothing(site: SshdSite) -> None:
    report = check_link(site.transport(), "a")
    assert report.server_version.startswith("SSH-2.0-OpenSSH")
    assert report.host_key == site.host_key.fingerprint
    assert report.usable
    assert report.free_bytes is not None
    assert report.connect_seconds > report.answer_seconds > 0
    assert list(site.drop().iterdir()) == []


def test_paramiko_says_nothing_on_stderr(site: SshdSite, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    with spoiling_proxy(site.port, Faults(flip_at=100_000)) as proxy, pytest.raises(GatewayError):
        list(site.transport(port=proxy.port).connect().send([parcel(tmp_path, "a.pgp", os.urandom(MEGABYTE))]))
    assert capfd.readouterr().err == ""


def test_limit_holds_on_all_connections_together_and_loses_no_byte(site: SshdSite, tmp_path: Path) -> None:
    """2 MB at 1 MB/s over two connections: at least 1.8 s, whatever the machine does; and the least throughput is higher."""
    limit = Bandwidth(MEGABYTE, time.monotonic, time.sleep)
    pace = Pace(connect_timeout=5, auth_timeout=15, answer_timeout=15, grace=1, least_bytes_per_second=10 * MEGABYTE)
    transport = SftpTransport(site.endpoint(), site.client_key(), pace, bandwidth=limit)
    contents = {f"{number}.pgp": os.urandom(MEGABYTE) for number in range(2)}
    sessions = [transport.connect() for _ in contents]
    began = time.monotonic()
    with ThreadPoolExecutor() as pool:
        for session, (name, content) in zip(sessions, contents.items(), strict=True):
            pool.submit(list, session.send([parcel(tmp_path, name, content)]))
    took = time.monotonic() - began
    for session in sessions:
        session.close()
    assert {path.name: path.read_bytes() for path in site.drop().iterdir()} == contents
    assert sum(map(len, contents.values())) <= MEGABYTE * took + limit.burst
