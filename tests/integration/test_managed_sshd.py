"""The managed sshd: what partners can and cannot do, and that it starts, reloads and ends as it should."""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

import gateway
from gateway.errors import AuthenticationRefused, ServerFailed
from gateway.transport.contract import Endpoint, Remote
from gateway.transport.folder import FolderTransport
from gateway.transport.keys import make_key_pair
from gateway.transport.sftp.client import SftpSession, SftpTransport
from gateway.transport.sshd import machine
from gateway.transport.sshd.guard import UNCONFINED
from gateway.transport.sshd.server import ManagedServer
from gateway.transport.sshd.spec import Account, Chroot
from tests.fakes.sshd_site import PATIENT, SshdSite, make_site, parcel, running_site, wait_until

ID = "019aa6f2-7c1e-7b3a-9d55-3f0a1b2c3d4e"
ROOT_ONLY = pytest.mark.skipif(os.geteuid() != 0, reason="a chroot takes root")


@contextlib.contextmanager
def root_owned_directory() -> Iterator[Path]:
    """A directory that sshd chroots below: every component root's, and closed to others (so not under /tmp)."""
    with tempfile.TemporaryDirectory(dir="/run", prefix="gateway-test-") as name:
        yield Path(name)


@pytest.fixture(params=["open", pytest.param("chrooted", marks=ROOT_ONLY)])
def site(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SshdSite]:
    """A site with two partners, without and with the chroot."""
    if request.param == "open":
        with running_site(tmp_path, ("DWP", "E09000030"), chroot=Chroot.OFF) as site:
            yield site
        return
    with (
        root_owned_directory() as directory,
        running_site(directory, ("DWP", "E09000030"), chroot=Chroot.REQUIRED) as site,
    ):
        yield site


@pytest.fixture
def session(site: SshdSite) -> Iterator[SftpSession]:
    session = site.transport("DWP").connect()
    yield session
    session.close()


def by_hand(session: SftpSession) -> paramiko.SFTPClient:
    """A partner's own SFTP client, free to ask for anything."""
    client = paramiko.SFTPClient.from_transport(session.connection)
    assert client is not None
    return client


def seen(site: SshdSite, path: Path) -> str:
    """`path` as a session sees it."""
    if site.spec.chroot is Chroot.REQUIRED:
        return f"/{path.relative_to(site.spec.landing)}"
    return str(path)


# -- what partners can do


def test_each_key_lands_in_its_own_directory(site: SshdSite, tmp_path: Path) -> None:
    for code in ("DWP", "E09000030"):
        session = site.transport(code).connect()
        list(session.send([parcel(tmp_path, f"{code}.pgp", code.encode())]))
        session.close()
    assert [path.name for path in site.drop("DWP").iterdir()] == ["DWP.pgp"]
    assert [path.name for path in site.drop("E09000030").iterdir()] == ["E09000030.pgp"]


Attempt = Callable[[paramiko.SFTPClient, str, str], object]
"""Tries something with (client, path of a file, path of its directory)."""


def _read(client: paramiko.SFTPClient, file: str, _: str) -> object:
    with client.open(file, "r") as handle:
        return handle.read(10)


@pytest.mark.parametrize(
    "attempt",
    [
        pytest.param(lambda client, _file, directory: client.listdir(directory), id="list"),
        pytest.param(_read, id="read"),
        pytest.param(lambda client, file, _: client.remove(file), id="remove"),
        pytest.param(lambda client, file, _: client.posix_rename(f"{file}.x", file), id="posix-rename"),
        pytest.param(lambda client, _, directory: client.mkdir(f"{directory}/sub"), id="mkdir"),
        pytest.param(lambda client, _, directory: client.rmdir(directory), id="rmdir"),
        pytest.param(lambda client, _, directory: client.symlink("/etc/passwd", f"{directory}/link"), id="symlink"),
        pytest.param(lambda client, file, _: client.truncate(file, 1), id="truncate"),
        pytest.param(lambda client, file, _: client.readlink(file), id="readlink"),
    ],
)
@pytest.mark.parametrize("whose", ["DWP", "E09000030"])
def test_a_partner_can_neither_read_nor_list_nor_change(
    site: SshdSite, session: SftpSession, attempt: Attempt, whose: str
) -> None:
    file = site.drop(whose) / f"{ID}.pgp"
    file.write_bytes(b"sealed")
    before = sorted(os.listdir(file.parent))  # noqa: PTH208 -- names are what is compared
    with pytest.raises(PermissionError):
        attempt(by_hand(session), seen(site, file), seen(site, file.parent))
    assert file.read_bytes() == b"sealed"
    assert sorted(os.listdir(file.parent)) == before  # noqa: PTH208 -- as above


Setting = Callable[[paramiko.SFTPClient, str], object]
"""Asks for another mode, owner or time of (client, path)."""


def _by_handle(change: Callable[[paramiko.SFTPFile], object]) -> Setting:
    """The same through a handle that was opened for reading, which takes no right to write."""

    def attempt(client: paramiko.SFTPClient, path: str) -> object:
        with client.open(path, "r") as handle:
            return change(handle)

    return attempt


def _everything_at_once(client: paramiko.SFTPClient, path: str) -> object:
    wanted = paramiko.SFTPAttributes()
    wanted.st_mode, wanted.st_uid, wanted.st_gid, wanted.st_atime, wanted.st_mtime = 0o7777, 4711, 4711, 5, 5
    return client._request(paramiko.sftp.CMD_SETSTAT, path.encode(), wanted)  # type: ignore[attr-defined]  # not in the stubs


@pytest.mark.parametrize(
    "attempt",
    [
        pytest.param(lambda client, path: client.chmod(path, 0), id="shut"),
        pytest.param(lambda client, path: client.chmod(path, 0o7777), id="open wide"),
        pytest.param(lambda client, path: client.utime(path, (5, 5)), id="times"),
        pytest.param(lambda client, path: client.chown(path, 4711, 4711), id="owner"),
        pytest.param(_everything_at_once, id="everything at once"),
        pytest.param(_by_handle(lambda handle: handle.chmod(0)), id="shut, by a handle"),
        pytest.param(_by_handle(lambda handle: handle.utime((5, 5))), id="times, by a handle"),
        pytest.param(_by_handle(lambda handle: handle.chown(4711, 4711)), id="owner, by a handle"),
    ],
)
def test_a_partner_is_told_that_attributes_were_set_and_nothing_is_changed(
    site: SshdSite, session: SftpSession, attempt: Setting
) -> None:
    """What clients ask for that keep a file's times (rclone, WinSCP, `put -p`); and what somebody could ask for instead."""
    own, other = (site.drop(code) / f"{ID}.pgp" for code in ("DWP", "E09000030"))
    for file in (own, other):
        file.write_bytes(b"sealed")
    mine = [own, own.parent, own.parents[1], own.parents[2]]
    theirs = [other, other.parent, other.parents[1], other.parents[1] / "out"]
    ours = [] if site.spec.chroot is Chroot.REQUIRED else [site.spec.authorized_keys, site.spec.directory]
    for path in (*mine, *theirs, *ours):
        before = _attributes(path)
        attempt(by_hand(session), seen(site, path))
        assert _attributes(path) == before, path


def _attributes(path: Path) -> tuple[int, ...]:
    about = path.lstat()
    return about.st_mode, about.st_uid, about.st_gid, about.st_size, about.st_mtime_ns


def test_nobody_shortens_a_file_that_it_has_not_opened_for_writing(site: SshdSite, session: SftpSession) -> None:
    file = site.drop() / f"{ID}.pgp"
    file.write_bytes(b"sealed")
    targets = [file] if site.spec.chroot is Chroot.REQUIRED else [file, site.spec.authorized_keys, site.spec.host_key]
    for target in targets:
        content = target.read_bytes()
        with pytest.raises(OSError, match="denied"):
            by_hand(session).truncate(seen(site, target), 1)
        with (
            by_hand(session).open(seen(site, target), "r") as handle,
            pytest.raises(OSError, match="Bad message"),
        ):
            handle.truncate(1)
        assert target.read_bytes() == content
    with by_hand(session).open(seen(site, file), "r+") as handle:
        handle.truncate(3)
    assert file.read_bytes() == b"sea"


def test_an_sshd_that_runs_without_the_filter_lets_nobody_ask_for_attributes(
    site: SshdSite, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.server.stop()
    with monkeypatch.context() as patched:
        patched.setattr(machine, "can_ignore_attributes", lambda: False)
        site.server.start()
    site.server.reload(site.spec)  # what is written now would be for an sshd that is started now
    assert "setstat" not in site.spec.authorized_keys.read_text(encoding="utf-8")
    file = site.drop() / f"{ID}.pgp"
    file.write_bytes(b"sealed")
    session = site.transport().connect()
    with pytest.raises(PermissionError):
        by_hand(session).chmod(seen(site, file), 0o777)
    session.close()


def test_a_partner_can_write_nowhere_but_in_the_landing(site: SshdSite, session: SftpSession, tmp_path: Path) -> None:
    if site.said(UNCONFINED) and site.spec.chroot is Chroot.OFF:
        pytest.skip("this kernel has no Landlock")
    client = by_hand(session)
    targets = [site.spec.authorized_keys, site.spec.directory / "new", tmp_path / "new", Path("/tmp/gateway-new")]
    contents = site.spec.authorized_keys.read_bytes()
    for target in targets:
        for path in (str(target), f"../../../../../../../../../../{target}"):
            with pytest.raises(OSError, match=r"denied|No such file|[Ff]ailure"):
                client.open(path, "w").close()
    assert site.spec.authorized_keys.read_bytes() == contents
    assert not any(target.exists() for target in targets[1:])


def test_the_residual_a_file_can_be_put_into_another_s_directory_but_not_seen_there(
    site: SshdSite, session: SftpSession
) -> None:
    """Documented in `sshd_config`: it is judged by the other partner's key, and ends in quarantine."""
    client = by_hand(session)
    path = seen(site, site.drop("E09000030") / f"{ID}.pgp")
    with client.open(path, "w") as handle:
        handle.write(b"forged")
    with pytest.raises(PermissionError):
        client.listdir(seen(site, site.drop("E09000030")))


@pytest.mark.parametrize("command", ["id", "/bin/sh", "internal-sftp", "scp -t ."])
def test_no_command_runs(session: SftpSession, command: str) -> None:
    channel = session.connection.open_session(timeout=5)
    channel.settimeout(5)
    with contextlib.suppress(paramiko.SSHException):
        channel.exec_command(command)
        assert b"uid=" not in channel.recv(1000)
        assert channel.recv_exit_status() != 0
    channel.close()


def test_no_forwarding_is_granted(session: SftpSession, site: SshdSite) -> None:
    with pytest.raises(paramiko.ChannelException):
        session.connection.open_channel("direct-tcpip", ("127.0.0.1", site.port), ("127.0.0.1", 1), timeout=5)
    with pytest.raises(paramiko.SSHException):
        session.connection.request_port_forward("127.0.0.1", 0)


def test_no_password_is_asked_for(site: SshdSite) -> None:
    with contextlib.closing(paramiko.Transport(("127.0.0.1", site.port))) as transport:
        transport.start_client(timeout=10)
        with pytest.raises(paramiko.BadAuthenticationType) as caught:
            transport.auth_password(site.spec.account, "secret")
    assert caught.value.allowed_types == ["publickey"]


def test_eight_channels_of_one_connection_work_at_once(session: SftpSession) -> None:
    clients = [by_hand(session) for _ in range(8)]
    handles = [client.open(f"in/{number}.part", "w") for number, client in enumerate(clients)]
    for handle in handles:
        handle.write(b"x" * 1000)
    for number, (client, handle) in enumerate(zip(clients, handles, strict=True)):
        handle.close()
        client.rename(f"in/{number}.part", f"in/{number}.pgp")
        assert client.stat(f"in/{number}.pgp").st_size == 1000


def test_every_logon_is_said_with_the_key_s_fingerprint(site: SshdSite, tmp_path: Path) -> None:
    site.transport("DWP").connect().close()
    stranger = make_key_pair(tmp_path / "stranger")
    with pytest.raises(AuthenticationRefused):
        SftpTransport(site.endpoint(), tmp_path / "stranger", PATIENT).connect()
    assert wait_until(lambda: any("Accepted publickey" in line and "SHA256:" in line for line in site.lines))
    assert wait_until(lambda: any("Failed publickey" in line and stranger.fingerprint in line for line in site.lines))


# -- an account of its own


@ROOT_ONLY
def test_a_partner_with_an_account_of_its_own_collects_what_is_held_out_to_it(tmp_path: Path) -> None:
    with root_owned_directory() as directory:
        site = make_site(directory, ("DWP", "E09000030"))
        other, own = site.spec.accounts
        own = replace(own, may_collect=True, os_account="nobody")
        server = ManagedServer(replace(site.spec, accounts=(other, own)), site.lines.append)
        server.start()
        try:
            folder = FolderTransport(site.spec.landing / "E09000030" / "out").connect()
            list(folder.send([parcel(tmp_path, f"{ID}.pgp", b"for them")]))
            endpoint = Endpoint("127.0.0.1", site.port, "nobody", "in", site.host_key.line)
            session = SftpTransport(endpoint, site.client_key("E09000030"), PATIENT).connect()
            assert session.waiting() == [Remote(f"{ID}.pgp", 8)]
            session.fetch(Remote(f"{ID}.pgp", 8), tmp_path / "got.pgp")
            session.remove(Remote(f"{ID}.pgp", 8))
            assert session.waiting() == []
            list(session.send([parcel(tmp_path, "back.pgp", b"theirs")]))
            client = by_hand(session)
            assert sorted(client.listdir("/")) == ["in", "out"]
            with pytest.raises(OSError, match=r"denied|No such file"):
                client.listdir("/../DWP")
            session.close()
            assert (tmp_path / "got.pgp").read_bytes() == b"for them"
            assert (site.spec.landing / "E09000030" / "in" / "back.pgp").read_bytes() == b"theirs"
        finally:
            server.stop()


# -- life and death


def test_a_taken_port_is_said_with_sshd_s_own_words(tmp_path: Path) -> None:
    with running_site(tmp_path) as site:
        other = tmp_path / "other"
        other.mkdir()
        spec = replace(make_site(other).spec, port=site.port)
        server = ManagedServer(spec)
        with pytest.raises(ServerFailed, match="Address already in use"):
            server.start()
        assert not server.is_alive()


def test_a_missing_host_key_is_said(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    site.spec.host_key.unlink()
    with pytest.raises(ServerFailed, match=r"host"):
        site.server.start()


def test_a_new_partner_counts_after_a_reload_and_open_sessions_stay(tmp_path: Path) -> None:
    with running_site(tmp_path) as site:
        kept = site.transport("DWP").connect()
        added = Account("W06000024", make_key_pair(tmp_path / "client-W06000024").line)
        with pytest.raises(AuthenticationRefused):
            site.transport("W06000024").connect()
        site.server.reload(replace(site.spec, accounts=(*site.spec.accounts, added)))
        new = site.transport("W06000024").connect()
        list(new.send([parcel(tmp_path, "new.pgp", b"new")]))
        list(kept.send([parcel(tmp_path, "kept.pgp", b"kept")]))
        new.close()
        kept.close()
        assert (site.drop("W06000024") / "new.pgp").exists()
        assert (site.drop("DWP") / "kept.pgp").exists()
        site.server.reload(replace(site.spec, accounts=()))
        with pytest.raises(AuthenticationRefused):
            site.transport("DWP").connect()


def test_a_bad_reload_is_refused_and_the_server_goes_on(tmp_path: Path) -> None:
    with running_site(tmp_path) as site:
        twice = replace(site.spec, accounts=(*site.spec.accounts, replace(site.spec.accounts[0], partner="OTHER")))
        with pytest.raises(ServerFailed, match="same SSH key"):
            site.server.reload(twice)
        site.transport("DWP").connect().close()


def test_a_changed_configuration_is_taken_over_by_the_same_process(tmp_path: Path) -> None:
    with running_site(tmp_path) as site:
        pid = site.server.pid
        moved = make_key_pair(tmp_path / "host2")
        site.lines.clear()
        site.server.reload(replace(site.spec, host_key=tmp_path / "host2"))
        assert wait_until(lambda: site.said("Server listening on"))
        assert site.server.pid == pid
        site.transport(host_key=moved.line).connect().close()


def test_stopping_ends_established_sessions_too(tmp_path: Path) -> None:
    with running_site(tmp_path) as site:
        session = site.transport().connect()
        pids = _sessions_of(site.server.pid)
        assert pids
        site.server.stop()
        assert not site.server.is_alive()
        assert all(not _runs(pid) for pid in pids)
        assert wait_until(lambda: not session.alive)
        session.close()
        assert not site.spec.pid_file.exists()


_GATEWAY = """
import pickle, sys
from gateway.transport.sshd.server import ManagedServer
server = ManagedServer(pickle.loads(bytes.fromhex(sys.argv[1])))
server.start()
print(server.pid, flush=True)
sys.stdin.read()
"""


def test_sshd_and_its_sessions_end_when_the_gateway_is_killed(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    with subprocess.Popen(
        [sys.executable, "-c", _GATEWAY, pickle.dumps(site.spec).hex()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(Path(gateway.__file__).parents[1]), *sys.path])},
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        session = site.transport().connect()
        pids = [pid, *_sessions_of(pid)]
        assert len(pids) > 1
        parent.kill()
        assert wait_until(lambda: not any(_runs(each) for each in pids))
        session.close()
    site.server.start()
    site.server.stop()


def test_an_sshd_that_was_left_over_is_ended_and_replaced(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    site.server.write()
    with running_site_left_over(site) as old:
        site.server.start()
        assert old.wait(10) is not None
        assert site.server.pid != old.pid
        site.transport().connect().close()
        site.server.stop()


def test_a_killed_guard_takes_its_sessions_along_and_another_server_is_there_at_once(
    site: SshdSite, session: SftpSession
) -> None:
    """Whoever had a session held the socket that sshd logs to: its reader was waited for, and then fell over."""
    guard, reader = site.server._guard, site.server._reader
    assert guard is not None
    assert reader is not None
    guard.kill()
    guard.wait()
    begun = time.monotonic()
    site.server.stop()
    assert time.monotonic() - begun < 5
    assert not reader.is_alive()
    assert wait_until(lambda: not session.connection.is_active()), "a session that nobody counts or ends"
    site.server.start()
    site.transport().connect().close()


def test_a_stale_pid_file_never_ends_a_stranger(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    site.server.write()
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as stranger:
        site.spec.pid_file.write_text(f"{stranger.pid}\n", encoding="ascii")
        site.server.start()
        assert stranger.poll() is None
        site.server.stop()


@contextlib.contextmanager
def running_site_left_over(site: SshdSite) -> Iterator[subprocess.Popen[bytes]]:
    """The site's own sshd, as a gateway that was killed would have left it behind without its guard."""
    command = ["/usr/sbin/sshd", "-D", "-e", "-f", str(site.spec.config_file)]
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    with subprocess.Popen(command, stderr=subprocess.PIPE) as old:
        assert old.stderr is not None
        assert any(b"listening" in line for line in old.stderr)
        site.spec.pid_file.write_text(f"{old.pid}\n", encoding="ascii")
        try:
            yield old
        finally:
            if old.poll() is None:
                old.send_signal(signal.SIGKILL)


def _sessions_of(pid: int | None) -> list[int]:
    """sshd's children."""
    children = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()
                if int(fields[1]) == pid:
                    children.append(int(entry.name))
    return children


def _runs(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
