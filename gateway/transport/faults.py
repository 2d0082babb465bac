"""What a broken link means: every error of paramiko, of the network and of a local file, as an error of the gateway.

`translate` is pure and total over `MEANING`; a class that nobody put there is a TypeError, and an architecture test
walks paramiko to find such a class before a partner does. Nothing that the partner's server said is quoted: it is text
from outside, and reasons go to logs and ledger.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from paramiko.auth_strategy import AuthFailure
from paramiko.ber import BERException
from paramiko.buffered_pipe import PipeTimeout
from paramiko.hostkeys import InvalidHostKey
from paramiko.packet import NeedRekeyException
from paramiko.pkey import UnknownKeyType
from paramiko.sftp import SFTPError
from paramiko.ssh_exception import (
    CouldNotCanonicalize,
    IncompatiblePeer,
    MessageOrderError,
    NoValidConnectionsError,
    PartialAuthentication,
    UnableToAuthenticate,
)

from gateway.errors import (
    AuthenticationRefused,
    DiskFailed,
    GatewayError,
    HostKeyChanged,
    LinkBroken,
    LinkTimeout,
    NoCommonAlgorithm,
    OperationUnknown,
    PartnerUnreachable,
    RemoteDiskFull,
    RemoteRefused,
)
from gateway.transport.names import own_file_fault


class StatusCode(IntEnum):
    """The answers of an SFTP server (draft-ietf-secsh-filexfer-02, section 7)."""

    OK = 0
    EOF = 1
    NO_SUCH_FILE = 2
    PERMISSION_DENIED = 3
    FAILURE = 4
    BAD_MESSAGE = 5
    NO_CONNECTION = 6
    CONNECTION_LOST = 7
    OP_UNSUPPORTED = 8
    NO_SPACE = 14
    QUOTA_EXCEEDED = 15

    @classmethod
    def of(cls, number: int) -> StatusCode:
        """The code. Of those of later drafts (filexfer-13, section 9.1) what has a meaning here, or FAILURE."""
        if number in cls._value2member_map_:
            return cls(number)
        return {10: cls.NO_SUCH_FILE, 12: cls.PERMISSION_DENIED}.get(number, cls.FAILURE)


class SftpStatus(Exception):
    """The server answered a request with another status than OK."""

    def __init__(self, code: StatusCode, request: str) -> None:
        self.code = code
        self.request = request
        super().__init__(f"{request}: {code.name.lower()}")


MEANING: Final[Mapping[type[BaseException], type[GatewayError]]] = MappingProxyType(
    {
        # negotiation
        IncompatiblePeer: NoCommonAlgorithm,
        paramiko.BadHostKeyException: HostKeyChanged,
        InvalidHostKey: HostKeyChanged,
        MessageOrderError: LinkBroken,
        NeedRekeyException: LinkBroken,
        # authentication
        paramiko.AuthenticationException: AuthenticationRefused,
        paramiko.PasswordRequiredException: AuthenticationRefused,
        paramiko.BadAuthenticationType: AuthenticationRefused,
        PartialAuthentication: AuthenticationRefused,
        UnableToAuthenticate: AuthenticationRefused,
        AuthFailure: AuthenticationRefused,
        UnknownKeyType: AuthenticationRefused,
        BERException: AuthenticationRefused,
        UnsupportedAlgorithm: AuthenticationRefused,
        # the way there
        NoValidConnectionsError: PartnerUnreachable,
        CouldNotCanonicalize: PartnerUnreachable,
        paramiko.ProxyCommandFailure: PartnerUnreachable,
        paramiko.ConfigParseError: PartnerUnreachable,
        socket.gaierror: PartnerUnreachable,
        UnicodeError: PartnerUnreachable,  # a host's name that cannot be asked for
        ConnectionRefusedError: PartnerUnreachable,
        # in mid-work
        paramiko.ChannelException: RemoteRefused,
        paramiko.SSHException: LinkBroken,
        SFTPError: LinkBroken,
        EOFError: LinkBroken,
        ConnectionError: LinkBroken,
        PipeTimeout: LinkTimeout,
        TimeoutError: LinkTimeout,
        SftpStatus: RemoteRefused,
        # files of ours, and whatever else has an errno
        OSError: DiskFailed,
    }
)

LINK_FAULTS: Final[tuple[type[BaseException], ...]] = tuple(MEANING)
"""What a call into paramiko, a socket or a local file may raise: `except LINK_FAULTS as error: raise translate(error)`."""

_UNREACHABLE: Final = frozenset(
    {errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, errno.EADDRNOTAVAIL, errno.ETIMEDOUT}
)

# paramiko tells some cases apart by wording alone. A wording that changes falls back on the class's meaning, which
# defers too; the unit tests read the wordings off the installed paramiko's source.
_WORDING: Final[tuple[tuple[type[BaseException], str, type[GatewayError]], ...]] = (
    (IncompatiblePeer, "no acceptable host key", HostKeyChanged),
    (paramiko.AuthenticationException, "Authentication timeout", LinkTimeout),
    (paramiko.AuthenticationException, "transport shut down or saw EOF", LinkBroken),
    (paramiko.SSHException, "Timeout opening channel", LinkTimeout),
    (paramiko.SSHException, "Channel closed", RemoteRefused),  # no SFTP for this account
    (paramiko.SSHException, "Error reading SSH protocol banner", PartnerUnreachable),
    (paramiko.SSHException, "Invalid SSH banner", PartnerUnreachable),
    (paramiko.SSHException, "Indecipherable protocol version", PartnerUnreachable),
)

_STATUS: Final[Mapping[StatusCode, tuple[type[GatewayError], str]]] = MappingProxyType(
    {
        StatusCode.NO_SUCH_FILE: (RemoteRefused, "the partner's server finds no such file or directory"),
        StatusCode.PERMISSION_DENIED: (RemoteRefused, "the partner's server does not permit it"),
        StatusCode.OP_UNSUPPORTED: (OperationUnknown, "the partner's server does not know the operation"),
        StatusCode.NO_SPACE: (RemoteDiskFull, "the partner's disk is full"),
        StatusCode.QUOTA_EXCEEDED: (RemoteDiskFull, "our account's share of the partner's disk is used up"),
        StatusCode.BAD_MESSAGE: (LinkBroken, "the partner's server did not understand us"),
        StatusCode.NO_CONNECTION: (LinkBroken, "the partner's server lost its own connection"),
        StatusCode.CONNECTION_LOST: (LinkBroken, "the partner's server lost its own connection"),
    }
)


def translate(error: BaseException, *, connecting: bool = False) -> GatewayError:
    """The gateway's error for `error`; `connecting` says that no session existed yet, so silence means unreachable.

    Raises TypeError for a class that `MEANING` does not cover: a fault of this program, not of the link.
    """
    if isinstance(error, GatewayError):
        return error
    if isinstance(error, SftpStatus):
        cls, reason = _STATUS.get(error.code, (RemoteRefused, "the partner's server failed"))
        return cls(f"{reason} ({error.request})")
    for known, words, told in _WORDING:
        if isinstance(error, known) and words in str(error):
            return told()
    if isinstance(error, OSError) and not isinstance(error, ConnectionRefusedError | socket.gaierror):
        return _of_system(error, connecting=connecting)
    meaning = next((MEANING[cls] for cls in type(error).__mro__ if cls in MEANING), None)
    if meaning is None:
        raise TypeError(f"{type(error).__name__} has no meaning for the link") from error
    if connecting and meaning is LinkBroken:
        return PartnerUnreachable("the partner's server hung up before a session was made")
    return meaning()


def _of_system(error: OSError, *, connecting: bool) -> GatewayError:
    """An error with an errno is the network's or a local file's: only the number tells."""
    if isinstance(error, NoValidConnectionsError):
        return PartnerUnreachable()
    if isinstance(error, ConnectionError):
        return PartnerUnreachable() if connecting else LinkBroken()
    if isinstance(error, TimeoutError) and error.errno is None:
        return LinkTimeout()
    if error.errno in _UNREACHABLE:
        return PartnerUnreachable() if connecting else LinkBroken()
    if error.errno is None:  # paramiko's "Socket is closed"
        return PartnerUnreachable() if connecting else LinkBroken()
    return own_file_fault(error)
