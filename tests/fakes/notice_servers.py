"""Servers that take notices, on loopback: a mail server with TLS and log-ins, a web server with HTTPS, and their certificate."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.parser import BytesParser
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.acceptance.sites import free_port

USER, PASSWORD = "gateway-dwp", "correct horse"


@dataclass(frozen=True)
class Certificate:
    """A certificate for this machine that signed itself; `pem` is what a client trusts, `both` has its key too."""

    pem: Path
    both: Path

    def context(self) -> ssl.SSLContext:
        made = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        made.load_cert_chain(self.both)
        return made


def made_certificate(root: Path) -> Certificate:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    names = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    certificate = signed.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    made = Certificate(root / "server.pem", root / "server-and-key.pem")
    made.pem.write_bytes(certificate)
    made.both.write_bytes(certificate + private)
    return made


@dataclass
class MailServer:
    """What came, and for whom; it refuses recipients that begin with one of `refuses`."""

    port: int
    messages: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    refuses: str = "nobody@"

    async def handle_RCPT(  # noqa: N802  # aiosmtpd's name
        self, _server: Any, _session: Any, envelope: Any, address: str, _options: Any
    ) -> str:
        if address.startswith(self.refuses):
            return "550 no such user here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802  # as above
        message = BytesParser(policy=default).parsebytes(envelope.content)
        assert isinstance(message, EmailMessage)
        self.messages.append(message)
        self.recipients += envelope.rcpt_tos
        return "250 taken"


def _is_known(_server: Any, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
    known = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=known, handled=known)


@contextmanager
def mail_server(
    certificate: Certificate | None, *, implicit: bool = False, port: int | None = None
) -> Iterator[MailServer]:
    """A server of a log-in; without a certificate it has no TLS."""
    server = MailServer(port or free_port())
    offered: dict[str, Any] = {"authenticator": _is_known, "auth_required": True}
    if certificate is not None:
        offered |= {"ssl_context": certificate.context()} if implicit else {"tls_context": certificate.context()}
        offered |= {"require_starttls": not implicit, "auth_require_tls": not implicit}
    else:
        offered |= {"auth_require_tls": False}
    controller = Controller(server, hostname="127.0.0.1", port=server.port, **offered)
    controller.start()
    try:
        yield server
    finally:
        controller.stop()


@dataclass
class WebServer:
    """What came: path, headers in small letters, body; it answers with the status that `status` has then."""

    port: int
    requests: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    status: int = 204


@contextmanager
def web_server(certificate: Certificate, port: int = 0) -> Iterator[WebServer]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            server.requests.append((self.path, headers, self.rfile.read(int(headers["content-length"]))))
            self.send_response(server.status)
            self.send_header("Location", f"https://localhost:{server.port}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    class Listening(ThreadingHTTPServer):
        def handle_error(self, *_: object) -> None:
            """A client that does not trust us breaks off."""

    with Listening(("127.0.0.1", port), Handler) as listening:
        listening.socket = certificate.context().wrap_socket(
            listening.socket, server_side=True, do_handshake_on_connect=False
        )
        server = WebServer(listening.server_address[1])
        thread = threading.Thread(target=listening.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield server
        listening.shutdown()
        thread.join()
