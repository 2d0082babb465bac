"""What the managed server offers on the wire, to the letter: read from its first packet, and tried with clients of others.

An outside audit (ssh-audit 3.9) of this list finds no fault; docs/operators/clients.md says what it remarks.
"""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import paramiko
import pytest

from gateway.transport.keys import Kind, copy_private_key, make_key_pair, replace_key_pair
from gateway.transport.sshd.spec import Account
from tests.fakes.sshd_site import SshdSite, make_site, running_site, wait_until

KEY_EXCHANGES = [
    "sntrup761x25519-sha512@openssh.com",
    "curve25519-sha256",
    "curve25519-sha256@libssh.org",
    "diffie-hellman-group16-sha512",
]
CIPHERS = [
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "chacha20-poly1305@openssh.com",
    "aes256-ctr",
    "aes192-ctr",
    "aes128-ctr",
]
MACS = ["hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com"]
STRICT = "kex-strict-s-v00@openssh.com"
"""The answer to Terrapin (CVE-2023-48795): with a client that says the same, no packet can be dropped unseen."""

_KEXINIT = 20
_LISTS = (
    "kex", "host_keys", "ciphers_in", "ciphers_out", "macs_in", "macs_out", "compression_in", "compression_out",
    "languages_in", "languages_out",
)  # fmt: skip


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SshdSite]:
    with running_site(tmp_path_factory.mktemp("site")) as site:
        yield site


def offered(port: int) -> dict[str, list[str]]:
    """The server's SSH_MSG_KEXINIT (RFC 4253, section 7.1): each of its name-lists, in its order."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock, sock.makefile("rb") as stream:
        sock.sendall(b"SSH-2.0-Reader\r\n")
        assert stream.readline().startswith(b"SSH-2.0-OpenSSH_")
        length = int.from_bytes(stream.read(4), "big")
        packet = stream.read(length)
    payload = packet[1 : length - packet[0]]
    assert payload[0] == _KEXINIT
    lists, at = {}, 17  # after the number and sixteen bytes of cookie
    for name in _LISTS:
        size = int.from_bytes(payload[at : at + 4], "big")
        text = payload[at + 4 : at + 4 + size].decode("ascii")
        lists[name] = text.split(",") if text else []
        at += 4 + size
    return lists


def test_the_offer_is_this_list_and_nothing_else(site: SshdSite) -> None:
    lists = offered(site.port)
    # Markers are no algorithms; that of extensions came with later versions of OpenSSH.
    assert [name for name in lists["kex"] if not name.startswith("ext-info-")] == [*KEY_EXCHANGES, STRICT]
    assert lists["host_keys"] == ["ssh-ed25519"]
    assert lists["ciphers_in"] == lists["ciphers_out"] == CIPHERS
    assert lists["macs_in"] == lists["macs_out"] == MACS
    assert lists["compression_in"] == lists["compression_out"] == ["none"]
    assert lists["languages_in"] == lists["languages_out"] == []


def test_while_the_host_key_changes_rsa_with_sha2_stands_beside_it(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    old = tmp_path / "host.old"
    copy_private_key(site.spec.host_key, old)
    replace_key_pair(site.spec.host_key, kind=Kind.RSA)
    site.server.spec = site.spec = replace(site.spec, old_host_key=old)
    site.server.start()
    try:
        assert sorted(offered(site.port)["host_keys"]) == ["rsa-sha2-256", "rsa-sha2-512", "ssh-ed25519"]
    finally:
        site.server.stop()


def test_host_key_on_a_nist_curve_that_partners_have_pinned_is_shown_until_it_is_changed(tmp_path: Path) -> None:
    site = make_site(tmp_path)
    site.spec.host_key.unlink()
    _make_ecdsa(site.spec.host_key)
    site.server.start()
    try:
        assert offered(site.port)["host_keys"] == ["ecdsa-sha2-nistp256"]
        line = site.spec.host_key.with_suffix(".pub").read_text(encoding="ascii")
        site.transport(host_key=line).connect().close()
    finally:
        site.server.stop()


def test_client_key_on_a_nist_curve_counts_for_a_partner_that_has_one_and_for_nobody_else(tmp_path: Path) -> None:
    with running_site(tmp_path) as site:
        key = tmp_path / "client-W06000024"
        _make_ecdsa(key)
        assert "Permission denied (publickey)" in sftp(site, tmp_path, key=key).stderr
        line = key.with_suffix(".pub").read_text(encoding="ascii").strip()
        listening = f"Server listening on 127.0.0.1 port {site.port}."
        before = site.lines.count(listening)
        site.server.reload(replace(site.spec, accounts=(*site.spec.accounts, Account("W06000024", line))))
        assert wait_until(lambda: site.lines.count(listening) > before, 60)
        done = sftp(site, tmp_path, key=key)
        assert done.returncode == 0, done.stderr
        assert done.stdout.rstrip().endswith("/W06000024")


def sftp(site: SshdSite, directory: Path, *chosen: str, key: Path | None = None) -> subprocess.CompletedProcess[str]:
    """OpenSSH's own client asks for its directory."""
    options = [*chosen, f"UserKnownHostsFile={directory / 'known'}", "StrictHostKeyChecking=accept-new"]
    command = ["sftp", "-b", "-", "-P", str(site.port), "-F", "none", "-i", str(key or site.client_key())]
    command += [part for option in (*options, "IdentitiesOnly=yes") for part in ("-o", option)]
    command.append(f"{site.spec.account}@127.0.0.1")
    return subprocess.run(command, input="pwd\n", capture_output=True, text=True, check=False)


@dataclass(frozen=True)
class _Offer:
    """What an OpenSSH client insists on, and whether this server has it."""

    option: str
    met: bool


@pytest.mark.parametrize(
    "offer",
    [
        *(_Offer(f"KexAlgorithms={name}", met=True) for name in KEY_EXCHANGES),
        *(_Offer(f"KexAlgorithms=ecdh-sha2-nistp{bits}", met=False) for bits in (256, 384, 521)),
        _Offer("KexAlgorithms=diffie-hellman-group14-sha256", met=False),
        _Offer("KexAlgorithms=diffie-hellman-group-exchange-sha256", met=False),
        *(_Offer(f"Ciphers={name}", met=True) for name in CIPHERS),
        _Offer("Ciphers=aes256-cbc", met=False),
        *(_Offer(f"MACs={name}", met=True) for name in MACS),
        _Offer("MACs=hmac-sha2-256,hmac-sha2-512", met=False),
        _Offer("MACs=umac-128@openssh.com,umac-128-etm@openssh.com", met=False),
        _Offer("MACs=hmac-sha1,hmac-sha1-etm@openssh.com", met=False),
        _Offer("HostKeyAlgorithms=ecdsa-sha2-nistp256", met=False),
    ],
    ids=lambda offer: offer.option,
)
def test_openssh_comes_in_with_what_is_offered_and_with_nothing_else(
    site: SshdSite, tmp_path: Path, offer: _Offer
) -> None:
    # A MAC counts only beside a cipher that does not authenticate by itself.
    cipher = ["Ciphers=aes256-ctr"] if offer.option.startswith("MACs") else []
    done = sftp(site, tmp_path, offer.option, *cipher)
    assert (done.returncode == 0) == offer.met, done.stderr
    if not offer.met:
        assert "Unable to negotiate" in done.stderr


def test_strict_key_exchange_is_in_force_with_a_client_that_knows_it(site: SshdSite, tmp_path: Path) -> None:
    command = ["ssh", "-vvv", "-p", str(site.port), "-F", "none", "-i", str(site.client_key())]
    for option in ("StrictHostKeyChecking=accept-new", "IdentitiesOnly=yes", "Ciphers=chacha20-poly1305@openssh.com"):
        command += ["-o", option]
    command += ["-o", f"UserKnownHostsFile={tmp_path / 'known'}", f"{site.spec.account}@127.0.0.1", "-s", "sftp"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert "will use strict KEX ordering" in done.stderr


def test_our_own_client_takes_the_first_of_the_list(site: SshdSite) -> None:
    session = site.transport().connect()
    assert session.cipher == CIPHERS[0]
    assert session.connection.agreed_on_strict_kex  # type: ignore[attr-defined]  # the stubs leave it out
    session.close()


def test_paramiko_comes_in_with_its_defaults(site: SshdSite) -> None:
    with contextlib.closing(paramiko.Transport(("127.0.0.1", site.port))) as transport:
        key = paramiko.Ed25519Key.from_private_key_file(str(site.client_key()))
        transport.connect(username=site.spec.account, pkey=key)
        assert transport.is_authenticated()


def _make_ecdsa(path: Path) -> None:
    assert shutil.which("ssh-keygen")
    command = ["ssh-keygen", "-q", "-t", "ecdsa", "-b", "256", "-N", "", "-C", "", "-f", str(path)]
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL)


def test_new_host_keys_are_never_on_a_nist_curve(tmp_path: Path) -> None:
    assert {make_key_pair(tmp_path / kind, kind=kind).type for kind in Kind} == {"ssh-ed25519", "ssh-rsa"}
