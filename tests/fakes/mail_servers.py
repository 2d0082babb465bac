"""Mail servers of others, on loopback: aiosmtpd for submission, and Dovecot over the Maildirs that it fills. Both with TLS and log-ins."""

from __future__ import annotations

import contextlib
import datetime as dt
import ipaddress
import itertools
import os
import pwd
import shutil
import ssl
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.transport.mail.client import MailTransport
from gateway.transport.mail.servers import MailRoute, MailServer
from tests.fakes.sshd_site import free_port

_PROGRAM = shutil.which("dovecot", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
needs_dovecot = pytest.mark.skipif(_PROGRAM is None, reason="Dovecot is not installed (Debian package dovecot-imapd)")

PASSWORD = "correct horse"  # noqa: S105 - of servers that live for one test
CONFIG = """
base_dir = {root}/run
state_dir = {root}/state
log_path = {root}/dovecot.log
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_cert = <{root}/server.pem
ssl_key = <{root}/server.key
default_internal_user = {account}
default_internal_group = {group}
default_login_user = {login}
first_valid_uid = 1
mail_location = maildir:{root}/mail/%u
service imap-login {{
  chroot =
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
auth_failure_delay = 0
passdb {{
  driver = passwd-file
  args = {root}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={root}/mail/%u
}}
"""


@dataclass
class MailServers:
    """Both servers; `refuses` is what the submission server answers to a mail, in place of taking it."""

    root: Path
    smtp_port: int
    smtps_port: int
    imap_port: int
    owner: tuple[int, int]
    refuses: str | None = None
    taken: list[bytes] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    @property
    def ca_file(self) -> Path:
        return self.root / "server.pem"

    def secret(self, password: str = PASSWORD) -> Path:
        path = self.root / f"{next(self._numbers)}.secret"
        path.write_text(password + "\n", encoding="utf-8")
        path.chmod(0o600)
        return path

    def maildir(self, address: str) -> Path:
        return self.root / "mail" / address

    def mails(self, address: str) -> dict[str, bytes]:
        """The mails that lie in a mailbox, by the names of their files, flags and all."""
        found = self.maildir(address)
        return {path.name: path.read_bytes() for kind in ("new", "cur") for path in sorted((found / kind).glob("*"))}

    def put(self, address: str, mail: bytes) -> None:
        """Deliver a mail, whoever it is from."""
        box = self.maildir(address)
        name = f"{int(time.time())}.{os.getpid()}_{next(self._numbers):06d}.test"  # Dovecot numbers mails in this order
        (box / "tmp" / name).write_bytes(mail)
        os.chown(box / "tmp" / name, *self.owner)
        (box / "tmp" / name).rename(box / "new" / name)

    def transport(
        self,
        address: str,
        partner: str,
        max_bytes: int = 1 << 20,
        note: Callable[[str], None] = lambda _why: None,
        **changes: Any,
    ) -> MailTransport:
        """The way from one mailbox to another."""
        secret = self.secret()
        said: dict[str, Any] = {
            "submission": MailServer("127.0.0.1", self.smtp_port, "starttls", address, secret),
            "imap": MailServer("127.0.0.1", self.imap_port, "implicit", address, secret),
            "folder": "INBOX",
            "address": address,
            "partner": partner,
            "max_bytes": max_bytes,
            "ca_file": str(self.ca_file),
        }
        unique = (f"unique-{number}" for number in self._numbers)
        return MailTransport(MailRoute(**said | changes), 10.0, lambda: 1_795_000_000.0, lambda: next(unique), note)

    # -- aiosmtpd's handler

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 - its name
        if not session.authenticated:
            return "530 5.7.0 log in first"
        if self.refuses is not None:
            return self.refuses
        content = envelope.content
        assert isinstance(content, bytes)
        self.taken.append(content)
        for address in envelope.rcpt_tos:
            if not self.maildir(address).is_dir():
                return "550 5.1.1 no such mailbox"
            self.put(address, content)
        return "250 2.0.0 taken"


@contextlib.contextmanager
def mail_servers(*addresses: str, size_limit: int = 1 << 21) -> Iterator[MailServers]:
    """Both servers, with a mailbox for each address, whose log-in has the same name."""
    # Dovecot reads mail under an account that may not look into pytest's directories.
    root = Path(tempfile.mkdtemp(prefix="mail-"))
    root.chmod(0o711)
    try:
        _make_certificate(root)
        as_root = os.geteuid() == 0
        about = pwd.getpwnam("mail") if as_root else pwd.getpwuid(os.geteuid())
        own = pwd.getpwuid(os.geteuid()).pw_name
        made = MailServers(root, free_port(), free_port(), free_port(), (about.pw_uid, about.pw_gid))
        for address in addresses:
            for part in ("", "new", "cur", "tmp"):
                (made.maildir(address) / part).mkdir(parents=True, exist_ok=True)
                os.chown(made.maildir(address) / part, *made.owner)
        (root / "mail").chmod(0o711)
        users = [f"{address}:{{PLAIN}}{PASSWORD}" for address in addresses]
        (root / "users").write_text("\n".join(users) + "\n", encoding="ascii")
        (root / "users").chmod(0o644)
        accounts = {
            "account": "dovecot" if as_root else own,
            "group": "dovecot" if as_root else _group(),
            "login": "dovenull" if as_root else own,
        }
        text = CONFIG.format(root=root, port=made.imap_port, uid=about.pw_uid, gid=about.pw_gid, **accounts)
        (root / "dovecot.conf").write_text(text, encoding="ascii")
        with _submission(made, size_limit), _dovecot(root, made.imap_port):
            yield made
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _group() -> str:
    import grp  # noqa: PLC0415 - here alone

    return grp.getgrgid(os.getegid()).gr_name


@contextlib.contextmanager
def _submission(made: MailServers, size_limit: int) -> Iterator[None]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.root / "server.pem", made.root / "server.key")

    def log_in(_server: SMTP, _session: Session, _envelope: Envelope, _kind: str, said: Any) -> AuthResult:
        assert isinstance(said, LoginPassword)
        return AuthResult(success=said.password == PASSWORD.encode(), handled=False)

    same: dict[str, Any] = {
        "hostname": "127.0.0.1",
        "server_hostname": "mail.example",
        "data_size_limit": size_limit,
        "authenticator": log_in,
    }
    controllers = (
        Controller(made, port=made.smtp_port, tls_context=context, require_starttls=True, auth_required=True, **same),
        # aiosmtpd does not know that a connection is TLS from its first byte: `handle_DATA` looks for the log-in.
        Controller(made, port=made.smtps_port, ssl_context=context, auth_require_tls=False, **same),
    )
    with contextlib.ExitStack() as stack:
        for controller in controllers:
            controller.start()
            stack.callback(controller.stop)
        yield


@contextlib.contextmanager
def _dovecot(root: Path, port: int) -> Iterator[None]:
    assert _PROGRAM is not None
    process = subprocess.Popen(
        [_PROGRAM, "-F", "-c", str(root / "dovecot.conf")], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        _wait(port, process, root)
        yield
    finally:
        process.terminate()
        process.wait(10)
        if process.stderr is not None:
            process.stderr.close()


def _wait(port: int, process: subprocess.Popen[bytes], root: Path) -> None:
    import socket  # noqa: PLC0415 - here alone

    deadline = time.monotonic() + 20
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        if process.poll() is not None or time.monotonic() > deadline:
            said = process.stderr.read().decode() if process.stderr and process.poll() is not None else ""
            log = root / "dovecot.log"
            raise AssertionError(f"Dovecot does not listen: {said}\n{log.read_text() if log.exists() else ''}")
        time.sleep(0.05)


def _make_certificate(root: Path) -> None:
    """A certificate for 127.0.0.1 that is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "mail.example")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=2))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (root / "server.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (root / "server.key").write_bytes(private)
    (root / "server.key").chmod(0o600)
