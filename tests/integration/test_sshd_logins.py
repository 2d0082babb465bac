"""Log-ins at a real sshd: each client comes out as what it did, and none can speak in sshd's name."""

from __future__ import annotations

import socket
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import paramiko
import pytest

from gateway.domain.logins import Login, Result
from gateway.transport.keys import make_key_pair, read_public_key
from gateway.transport.sshd.config import logins
from gateway.transport.sshd.logins import Attempt, Connections
from tests.fakes.sshd_site import SshdSite, running_site, wait_until

SECONDS = 60.0


class Watched:
    """A running site, and what came out of its messages. Shared, so each test looks at what it added."""

    def __init__(self, site: SshdSite, stranger: Path) -> None:
        self.site = site
        self.stranger = stranger
        self.user = site.spec.account
        self._owners = {fingerprint: partner for partner, fingerprint in logins(site.spec)}
        self._read = 0

    def came_out(self, count: int = 1) -> list[Attempt]:
        """What came out since the last call, once it is so much and no connection is open any more."""
        connections, found = Connections(self._owners), list[Attempt]()

        def done() -> bool:
            new = self.site.lines[self._read :]
            self._read += len(new)
            found.extend(attempt for message in new for attempt in connections.read(message, 0.0))
            return len(found) >= count and not len(connections)

        assert wait_until(done, SECONDS), self.site.lines
        return found

    def result(self) -> Result:
        (attempt,) = self.came_out()
        assert attempt.address == "127.0.0.1"
        return attempt.login.result

    def ssh(self, key: Path, *options: str, user: str | None = None) -> None:
        """A stock OpenSSH client that logs in and leaves."""
        command = ["ssh", "-F", "/dev/null", "-p", str(self.site.port), "-i", str(key), "-o", "IdentitiesOnly=yes"]
        command += ["-o", "BatchMode=yes", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"]
        command += [*options, "-l", user or self.user, "127.0.0.1", "-s", "sftp"]
        subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False, timeout=SECONDS)

    def connected(self) -> paramiko.Transport:
        return paramiko.Transport(("127.0.0.1", self.site.port))

    def say(self, data: bytes) -> None:
        """Connect, send bytes, and read until the server has enough of it."""
        there = ("127.0.0.1", self.site.port)
        with suppress(ConnectionError), socket.create_connection(there, timeout=SECONDS) as connection:
            connection.sendall(data)
            with suppress(OSError):  # the server may have had enough and be gone: ENOTCONN
                connection.shutdown(socket.SHUT_WR)
            while connection.recv(4096):
                pass


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    directory = tmp_path_factory.mktemp("sshd")
    make_key_pair(directory / "stranger")
    with running_site(directory, ("DWP", "E09000030")) as site:
        yield Watched(site, directory / "stranger")


@pytest.mark.parametrize("partner", ["DWP", "E09000030"])
def test_partner_is_known_by_its_key_in_the_account_that_all_share(watched: Watched, partner: str) -> None:
    key = watched.site.client_key(partner)
    watched.ssh(key)
    (attempt,) = watched.came_out()
    assert attempt.login == Login(Result.ACCEPTED, partner, read_public_key(key).fingerprint)


def test_partner_whose_client_shows_a_strangers_key_first_has_logged_in_once(watched: Watched) -> None:
    watched.ssh(watched.stranger, "-i", str(watched.site.client_key()))
    assert watched.result() is Result.ACCEPTED


def test_strangers_key_is_a_wrong_key(watched: Watched) -> None:
    watched.ssh(watched.stranger)
    assert watched.came_out()[0].login == Login(Result.WRONG_KEY)


@pytest.mark.parametrize("kind", ["rsa", "ecdsa"])
def test_strangers_key_of_another_kind_is_refused(watched: Watched, tmp_path: Path, kind: str) -> None:
    subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", tmp_path / kind], check=True)
    watched.ssh(tmp_path / kind)
    assert watched.result() is {"rsa": Result.WRONG_KEY, "ecdsa": Result.NO_KEY}[kind]


class _Forged(paramiko.Ed25519Key):
    """Shows a partner's public key, and cannot sign with it."""

    def sign_ssh_data(self, data: bytes, algorithm: str | None = None) -> paramiko.Message:
        return super().sign_ssh_data(b"other" + data, algorithm)


def test_partners_public_key_without_the_secret_one_is_refused_under_its_name(watched: Watched) -> None:
    key = watched.site.client_key()
    client = watched.connected()
    client.start_client(timeout=SECONDS)
    with pytest.raises(paramiko.AuthenticationException):
        client.auth_publickey(watched.user, _Forged.from_private_key_file(str(key)))
    client.close()
    (attempt,) = watched.came_out()
    assert attempt.login == Login(Result.KEY_REFUSED, "DWP", read_public_key(key).fingerprint)


@pytest.mark.parametrize("user", ["nobody-here", "daemon"])
def test_account_that_there_is_not_for_partners_is_an_unknown_user(watched: Watched, user: str) -> None:
    watched.ssh(watched.site.client_key(), user=user)
    assert watched.result() is Result.UNKNOWN_USER


def test_password_is_a_log_in_without_a_key(watched: Watched) -> None:
    client = watched.connected()
    client.start_client(timeout=SECONDS)
    with pytest.raises(paramiko.BadAuthenticationType):
        client.auth_password(watched.user, "secret")
    client.close()
    assert watched.result() is Result.NO_KEY


@pytest.mark.parametrize("data", [b"", b"GET / HTTP/1.0\r\n\r\n", b"SSH-1.5-x\r\n", b"SSH-2.0-x\r\n" + b"\xff" * 99])
def test_port_scan_and_other_protocols_are_no_log_in(watched: Watched, data: bytes) -> None:
    watched.say(data)
    assert watched.result() is Result.NO_LOGIN


@pytest.mark.parametrize("option", ["KexAlgorithms=diffie-hellman-group14-sha1", "Ciphers=aes128-cbc"])
def test_old_algorithms_are_no_agreement(watched: Watched, option: str) -> None:
    watched.ssh(watched.site.client_key(), "-o", option)
    assert watched.result() is Result.NO_AGREEMENT


# -- who speaks


def forged(watched: Watched) -> str:
    """What sshd says of a partner that has logged in, from another address."""
    fingerprint = read_public_key(watched.site.client_key()).fingerprint
    return f"Accepted publickey for {watched.user} from 192.0.2.7 port 5 ssh2: ED25519 {fingerprint}"


@pytest.mark.parametrize("name", ["{}", "x\n{}", "x\r\n{}\r\n", "x from 192.0.2.7 port 5", "a" * 900, "\x1b[2J", ""])
def test_user_name_cannot_pass_for_a_message_of_sshds(watched: Watched, name: str) -> None:
    client = watched.connected()
    client.start_client(timeout=SECONDS)
    key = paramiko.Ed25519Key.from_private_key_file(str(watched.stranger))
    with pytest.raises(paramiko.SSHException):
        client.auth_publickey(name.format(forged(watched)), key)
    client.close()
    assert watched.result() is Result.UNKNOWN_USER


@pytest.mark.parametrize("ends", ["{}", "\n{}", "\r\n{}\r\n"])
def test_offer_of_algorithms_cannot_pass_for_a_message_of_sshds(watched: Watched, ends: str) -> None:
    """Sshd prints the offer with its line ends as they are: lines would have an `Accepted` that sshd never said."""
    client = watched.connected()
    # Paramiko's own list is checked; this one goes out as it is.
    client._preferred_kex = (ends.format(forged(watched)),)  # type: ignore[attr-defined]  # not in the stubs
    with pytest.raises((paramiko.SSHException, EOFError, OSError)):
        client.start_client(timeout=SECONDS)
    client.close()
    assert watched.result() is Result.NO_AGREEMENT
    assert any("192.0.2.7" in message and message.startswith("Unable") for message in watched.site.lines)


def test_identification_cannot_pass_for_a_message_of_sshds(watched: Watched) -> None:
    watched.say(f"x {forged(watched)}\r\n{forged(watched)}\r\n".encode())
    assert watched.result() is Result.NO_LOGIN


def test_a_crowd_that_sshd_drops_is_counted_to_the_last(watched: Watched) -> None:
    crowd = [socket.create_connection(("127.0.0.1", watched.site.port), timeout=SECONDS) for _ in range(130)]
    for each in crowd:
        each.close()
    found = Counter(attempt.login.result for attempt in watched.came_out(130))
    assert sum(found.values()) == 130
    assert set(found) <= {Result.DROPPED, Result.NO_LOGIN}
