"""The console's only way out: one host, the identity provider's, over TLS unless it is on this machine.

No proxy, no redirection, no address but below the issuer's scheme, host and port, however the provider's own documents name others. An answer
has 256 KiB at most and has to be whole within ten seconds, from the connection on, however slowly it comes; four are asked for at once. Raises
IdentityProviderUnavailable, with what was answered as a number and never in its words.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from threading import BoundedSemaphore, Event, Timer
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import orjson

from gateway.errors import IdentityProviderUnavailable
from gateway.settings.identity_provider import IdentityProviderSettings, origin_of

ANSWER_SECONDS: Final = 10.0
MOST_BYTES: Final = 256 * 1024
AT_ONCE: Final = 4
WAIT_SECONDS: Final = 1.0
"""Whoever finds that many asking already waits for so long: pages for others need threads too."""


@dataclass(frozen=True)
class Answer:
    """What was answered, as Authlib's client reads it: the status, and an object of JSON."""

    status_code: int
    content: dict[str, Any]

    def json(self) -> dict[str, Any]:
        return self.content

    def raise_for_status(self) -> None:
        """IdentityProviderUnavailable for anything but success."""
        if not 200 <= self.status_code < 300:
            raise IdentityProviderUnavailable(f"the identity provider answered with status {self.status_code}")


class Connection:
    """The way to one provider; for any number of threads. `config` is the directory that `ca_file` is below of."""

    def __init__(self, settings: IdentityProviderSettings, config: Path, seconds: float = ANSWER_SECONDS) -> None:
        self._origin = settings.origin
        self._ca_file = str(config / settings.ca_file) if settings.ca_file else None
        self._seconds = seconds
        self._turns = BoundedSemaphore(AT_ONCE)

    def is_own(self, address: object) -> bool:
        """Whether an address is one of the provider's host."""
        try:
            return isinstance(address, str) and address.isprintable() and origin_of(address) == self._origin
        except ValueError:
            return False

    def get(self, address: str) -> dict[str, Any]:
        """An object of JSON."""
        answer = self._ask("GET", address, None, {"Accept": "application/json"})
        answer.raise_for_status()
        return answer.content

    def post(self, url: str, data: Mapping[str, str], headers: Mapping[str, str], auth: Any) -> Answer:
        """A form, with what proves the client: `auth` is Authlib's, which calls this."""
        url, told, body = auth.prepare("POST", url, dict(headers), urlencode(data))
        return self._ask("POST", url, body.encode(), told)

    def _ask(self, method: str, address: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        if not self.is_own(address):
            raise IdentityProviderUnavailable("the identity provider names an address that is not its own host's")
        if not self._turns.acquire(timeout=WAIT_SECONDS):
            raise IdentityProviderUnavailable("the identity provider keeps others waiting already")
        try:
            with _translated():
                status, content = self._exchange(method, address, body, headers)
        finally:
            self._turns.release()
        try:
            found = orjson.loads(content)
        except orjson.JSONDecodeError:
            found = None
        if not isinstance(found, dict):
            raise IdentityProviderUnavailable(
                f"the identity provider answered with status {status} and no object of JSON"
            )
        return Answer(status, found)

    def _exchange(self, method: str, address: str, body: bytes | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
        _, host, port = self._origin
        with closing(socket.create_connection((host, port), self._seconds)) as raw, closing(raw.dup()) as watched:
            # A limit for each read alone would let somebody answer for hours, byte by byte.
            late = Event()
            timer = Timer(self._seconds, _cut, [watched, late])
            timer.daemon = True
            timer.start()
            try:
                status, content = self._answer(raw, method, address, body, headers)
            except (OSError, HTTPException) as error:
                if late.is_set():
                    raise TimeoutError from error
                raise
            finally:
                timer.cancel()
                timer.join()  # it must not outlive the socket whose number it knows
        if late.is_set():
            raise TimeoutError
        if len(content) > MOST_BYTES:
            raise IdentityProviderUnavailable("the identity provider's answer is too long")
        return status, content

    def _answer(
        self, raw: socket.socket, method: str, address: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, bytes]:
        scheme, host, port = self._origin
        connection: HTTPConnection
        if scheme == "https":
            context = _context(self._ca_file)
            connection = HTTPSConnection(host, port, context=context)
            connection.sock = context.wrap_socket(raw, server_hostname=host)
        else:
            connection = HTTPConnection(host, port)
            connection.sock = raw
        with closing(connection):
            parts = urlsplit(address)
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request(method, path, body, {"User-Agent": "gateway", **headers})
            response = connection.getresponse()
            return response.status, response.read(MOST_BYTES + 1)


def _cut(watched: socket.socket, late: Event) -> None:
    """End a connection that takes too long: whoever reads from it, or shakes hands, gets an error."""
    late.set()
    try:
        watched.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # it has ended by itself


def _context(ca_file: str | None) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca_file)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (OSError, HTTPException, UnicodeError) as error:
        raise IdentityProviderUnavailable(_why(error)) from error


def _why(error: Exception) -> str:
    match error:
        case ssl.SSLCertVerificationError():
            return f"the identity provider's certificate is refused: {error.verify_message}"
        case TimeoutError():
            return "the identity provider does not answer in time"
        case socket.gaierror():
            return "the identity provider's name cannot be resolved"
        case ssl.SSLError():
            return "TLS with the identity provider failed"
        case HTTPException():
            return "the identity provider broke off, or answers in another protocol"
        case _:
            return f"no connection to the identity provider: {getattr(error, 'strerror', None) or type(error).__name__}"
