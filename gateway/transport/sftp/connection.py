"""An authenticated SSH connection to one partner: its pinned host key first, our client key after that, nothing else.

While the partner changes its host key there are two pinned ones; while we change our client key, the one before is tried
where the new one is not accepted.

Raises PartnerUnreachable, LinkTimeout, HostKeyChanged, NoCommonAlgorithm, AuthenticationRefused. Safe, because only the
types of the pinned host keys are asked for, the key is compared before the first byte of authentication leaves, only
current algorithms are offered, and neither agent, password nor any key found on the machine is ever tried.
"""

from __future__ import annotations

import contextlib
import hmac
import logging
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final, cast

import paramiko

from gateway.errors import (
    AuthenticationRefused,
    CardRefused,
    GatewayError,
    HostKeyChanged,
    LinkTimeout,
    PartnerUnreachable,
)
from gateway.transport.contract import Endpoint, Pace
from gateway.transport.faults import LINK_FAULTS, translate
from gateway.transport.keys import PublicKey, parse_public_key
from gateway.transport.sftp.timeouts import PacedSocket, Watch

CIPHERS: Final = (
    "aes128-gcm@openssh.com",
    "aes256-gcm@openssh.com",
    "aes256-ctr",
    "aes192-ctr",
    "aes128-ctr",
)
MACS: Final = (
    "hmac-sha2-256-etm@openssh.com",
    "hmac-sha2-512-etm@openssh.com",
    "hmac-sha2-256",
    "hmac-sha2-512",
)
KEY_EXCHANGES: Final = (
    "mlkem768x25519-sha256",
    "curve25519-sha256@libssh.org",
    "ecdh-sha2-nistp256",
    "ecdh-sha2-nistp384",
    "ecdh-sha2-nistp521",
    "diffie-hellman-group16-sha512",
)
_CLIENT_KEYS: Final = (
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "rsa-sha2-512",
    "rsa-sha2-256",
)
_KEEPALIVE_SECONDS: Final = 15
_WINDOW: Final = 8 * 1024 * 1024
_MOST_PREFACE: Final = 256 * 1024


def open_connection(
    endpoint: Endpoint, client_keys: Sequence[Path], pace: Pace, watch: Watch, now: float, clock: Callable[[], float]
) -> tuple[paramiko.Transport, Path]:
    """A connection on which channels can be opened, and the client key that it was opened with. The caller closes it.

    `client_keys` are tried in their order; `now` decides which host keys are accepted; `clock` counts seconds.
    """
    pinned = pinned_host_keys(endpoint, now)
    keys = [(path, _client_key(path)) for path in client_keys]
    with _meaning():
        sock = socket.create_connection((endpoint.host, endpoint.port), timeout=pace.connect_timeout)
    transport: paramiko.Transport | None = None
    try:
        with _meaning():
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            first = _identification(sock, clock() + pace.auth_timeout, clock)
            transport = _prepared(PacedSocket(sock, watch, first), pinned, pace)
            transport.start_client(timeout=pace.auth_timeout)
            if not transport.initial_kex_done:
                raise LinkTimeout("the partner's server did not finish the key exchange in time")
            _check_host_key(transport, pinned)
            used = _log_in(transport, endpoint.user, keys)
            if not transport.is_authenticated():
                raise AuthenticationRefused("the partner's server wants more than our SSH key")
            transport.set_keepalive(_KEEPALIVE_SECONDS)
    except GatewayError:
        if transport is not None:
            transport.close()
        sock.close()
        raise
    return transport, used


def _log_in(transport: paramiko.Transport, user: str, keys: Sequence[tuple[Path, paramiko.PKey]]) -> Path:
    """Try the keys in turn, over the one connection; which was accepted. Raises what paramiko does for the last one."""
    *early, (last, last_key) = keys
    for path, key in early:
        with contextlib.suppress(paramiko.AuthenticationException):
            transport.auth_publickey(user, key)
            return path
    transport.auth_publickey(user, last_key)
    return last


def open_channel(transport: paramiko.Transport, pace: Pace) -> paramiko.Channel:
    """A channel with the SFTP subsystem on it, as paramiko raises where that fails."""
    channel = transport.open_session(window_size=_WINDOW, timeout=pace.answer_timeout)
    try:
        channel.settimeout(pace.answer_timeout)
        channel.invoke_subsystem("sftp")
    except LINK_FAULTS:
        channel.close()
        raise
    return channel


def pinned_host_keys(endpoint: Endpoint, now: float) -> tuple[PublicKey, ...]:
    """The endpoint's host key, and the one before it until its date.

    Raises HostKeyChanged when the partner's file holds none that can be read, or none that is trusted.
    """
    lines = [endpoint.host_key] if endpoint.host_key else []
    if endpoint.old_host_key is not None and now < endpoint.old_host_key_until:
        lines.append(endpoint.old_host_key)
    if not lines:
        raise HostKeyChanged("the host key of the partner is revoked here; nothing was sent")
    try:
        return tuple(parse_public_key(line) for line in lines)
    except CardRefused as error:
        raise HostKeyChanged("the host key pinned for the partner cannot be read; nothing was sent") from error


def shown_host_key(transport: paramiko.Transport) -> PublicKey:
    """The host key that the server showed; it is a pinned one, or there would be no connection."""
    key = transport.get_remote_server_key()
    return parse_public_key(f"{key.get_name()} {key.get_base64()}")


def _identification(sock: socket.socket, deadline: float, clock: Callable[[], float]) -> bytes:
    """Read past the lines that a server may send before its version (RFC 4253, section 4.2), in whatever encoding and however
    many: what was read from the version on. paramiko takes a hundred, of UTF-8, each within two seconds.

    Raises PartnerUnreachable where no version comes within `_MOST_PREFACE` bytes, TimeoutError at the deadline.
    """
    read, passed = b"", 0
    while not read.startswith(b"SSH-"):
        line, end, rest = read.partition(b"\n")
        if end:
            read, passed = rest, passed + len(line) + 1
            continue
        if passed + len(read) > _MOST_PREFACE:
            raise PartnerUnreachable("what listens at the partner's address is no SSH server")
        left = deadline - clock()
        if left <= 0:
            raise TimeoutError
        sock.settimeout(left)
        data = sock.recv(4096)
        if not data:
            raise PartnerUnreachable(
                "what listens at the partner's address hangs up, and shows itself as no SSH server"
            )
        read += data
    return read


def _prepared(sock: PacedSocket, pinned: Sequence[PublicKey], pace: Pace) -> paramiko.Transport:
    """A transport that will negotiate what is listed above and nothing else."""
    # The stubs know real sockets alone; paramiko's documentation asks for send, recv, close and settimeout.
    transport = paramiko.Transport(cast("socket.socket", sock), default_window_size=_WINDOW)
    _quiet(transport)
    transport.banner_timeout = transport.handshake_timeout = pace.auth_timeout
    transport.auth_timeout = pace.auth_timeout
    transport.channel_timeout = transport.clear_to_send_timeout = pace.answer_timeout
    options = transport.get_security_options()
    options.ciphers = CIPHERS
    options.digests = MACS
    options.kex = tuple(name for name in KEY_EXCHANGES if name in options.kex)
    options.key_types = tuple(dict.fromkeys(name for key in pinned for name in _host_key_algorithms(key.type)))
    options.compression = ("none",)
    return transport


def _host_key_algorithms(kind: str) -> tuple[str, ...]:
    """Only a pinned type is asked for, the newest first: a server with several keys then shows the right one."""
    return ("rsa-sha2-512", "rsa-sha2-256") if kind == "ssh-rsa" else (kind,)


def _check_host_key(transport: paramiko.Transport, pinned: Sequence[PublicKey]) -> None:
    """The signature over the key exchange is verified by then; here the key must be a pinned one, byte for byte."""
    shown = transport.get_remote_server_key().asbytes()
    if not any(hmac.compare_digest(shown, key.blob) for key in pinned):
        raise HostKeyChanged


def _client_key(path: Path) -> paramiko.PKey:
    try:
        return paramiko.PKey.from_path(path)
    except ValueError as error:
        raise AuthenticationRefused("our own SSH key cannot be read") from error
    except LINK_FAULTS as error:
        raise translate(error) from error


@contextlib.contextmanager
def _meaning() -> Iterator[None]:
    """Errors before there is a session, in the gateway's words."""
    try:
        yield
    except LINK_FAULTS as error:
        raise translate(error, connecting=True) from error


def _quiet(transport: paramiko.Transport) -> None:
    """Let paramiko's log go to standard logging, under its own name, and to nowhere else.

    Without any handler Python prints warnings to stderr, paramiko's tracebacks among them; a handler that does nothing
    stops that and leaves level, format and destination to whoever configures logging.
    """
    log = logging.getLogger("paramiko")
    if not log.handlers:
        log.addHandler(logging.NullHandler())
    transport.set_log_channel("paramiko.transport")
