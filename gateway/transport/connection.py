"""An authenticated SSH connection to one partner: its pinned host key first, our client key after that, nothing else.

Raises PartnerUnreachable, LinkTimeout, HostKeyChanged, NoCommonAlgorithm, AuthenticationRefused. Safe, because only the
type of the pinned host key is asked for, the key is compared before the first byte of authentication leaves, only
current algorithms are offered, and neither agent, password nor any key found on the machine is ever tried.
"""

from __future__ import annotations

import contextlib
import hmac
import logging
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Final, cast

import paramiko

from gateway.errors import AuthenticationRefused, CardRefused, GatewayError, HostKeyChanged, LinkTimeout
from gateway.transport.contract import Endpoint, Pace
from gateway.transport.faults import LINK_FAULTS, translate
from gateway.transport.keys import PublicKey, parse_public_key
from gateway.transport.patience import PacedSocket, Watch

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


def open_connection(endpoint: Endpoint, client_key: Path, pace: Pace, watch: Watch) -> paramiko.Transport:
    """A connection on which channels can be opened. The caller closes it."""
    pinned = pinned_host_key(endpoint)
    key = _client_key(client_key)
    with _meaning():
        sock = socket.create_connection((endpoint.host, endpoint.port), timeout=pace.connect_timeout)
    transport: paramiko.Transport | None = None
    try:
        with _meaning():
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            transport = _prepared(sock, pinned, pace, watch)
            transport.start_client(timeout=pace.auth_timeout)
            if not transport.initial_kex_done:
                raise LinkTimeout("the partner's server did not finish the key exchange in time")
            _check_host_key(transport, pinned)
            transport.auth_publickey(endpoint.user, key)
            if not transport.is_authenticated():
                raise AuthenticationRefused("the partner's server wants more than our SSH key")
            transport.set_keepalive(_KEEPALIVE_SECONDS)
    except GatewayError:
        if transport is not None:
            transport.close()
        sock.close()
        raise
    return transport


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


def pinned_host_key(endpoint: Endpoint) -> PublicKey:
    """The endpoint's host key. Raises HostKeyChanged when the partner's file holds none that can be read."""
    try:
        return parse_public_key(endpoint.host_key)
    except CardRefused as error:
        raise HostKeyChanged("the host key pinned for the partner cannot be read; nothing was sent") from error


def _prepared(sock: socket.socket, pinned: PublicKey, pace: Pace, watch: Watch) -> paramiko.Transport:
    """A transport that will negotiate what is listed above and nothing else."""
    # The stubs know real sockets alone; paramiko's documentation asks for send, recv, close and settimeout.
    transport = paramiko.Transport(cast("socket.socket", PacedSocket(sock, watch)), default_window_size=_WINDOW)
    _quiet(transport)
    transport.banner_timeout = transport.handshake_timeout = pace.auth_timeout
    transport.auth_timeout = pace.auth_timeout
    transport.channel_timeout = transport.clear_to_send_timeout = pace.answer_timeout
    options = transport.get_security_options()
    options.ciphers = CIPHERS
    options.digests = MACS
    options.kex = tuple(name for name in KEY_EXCHANGES if name in options.kex)
    options.key_types = _host_key_algorithms(pinned.type)
    options.compression = ("none",)
    return transport


def _host_key_algorithms(kind: str) -> tuple[str, ...]:
    """Only the pinned type is asked for: a server with several keys then shows the right one."""
    return ("rsa-sha2-512", "rsa-sha2-256") if kind == "ssh-rsa" else (kind,)


def _check_host_key(transport: paramiko.Transport, pinned: PublicKey) -> None:
    """The signature over the key exchange is verified by then; here the key must be the pinned one, byte for byte."""
    shown = transport.get_remote_server_key().asbytes()
    if not hmac.compare_digest(shown, pinned.blob):
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
