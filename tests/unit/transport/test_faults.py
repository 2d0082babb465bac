from __future__ import annotations

import errno
import os
import socket

import paramiko
import pytest
from hypothesis import given
from hypothesis import strategies as st
from paramiko.ssh_exception import IncompatiblePeer, NoValidConnectionsError
from paramiko.transport import Transport

from gateway.errors import (
    AuthenticationRefused,
    Defer,
    DiskFailed,
    DiskFull,
    GatewayError,
    Hold,
    HostKeyChanged,
    LinkBroken,
    LinkTimeout,
    NoCommonAlgorithm,
    PartnerUnreachable,
    RemoteDiskFull,
    RemoteRefused,
)
from gateway.transport.faults import SftpStatus, StatusCode, translate
from gateway.transport.sftp.connection import CIPHERS, KEY_EXCHANGES, MACS


@pytest.mark.parametrize(
    ("error", "meaning"),
    [
        (IncompatiblePeer("Incompatible ssh server (no acceptable ciphers)"), NoCommonAlgorithm),
        (IncompatiblePeer("Incompatible ssh peer (no acceptable host key)"), HostKeyChanged),
        (paramiko.AuthenticationException("Authentication failed."), AuthenticationRefused),
        (paramiko.BadAuthenticationType("", ["password"]), AuthenticationRefused),
        (paramiko.AuthenticationException("Authentication timeout."), LinkTimeout),
        (
            paramiko.AuthenticationException("Authentication failed: transport shut down or saw EOF"),
            LinkBroken,
        ),
        (paramiko.SSHException("Timeout opening channel."), LinkTimeout),
        (paramiko.ChannelException(4, "resource shortage"), RemoteRefused),
        (paramiko.SSHException("something new"), LinkBroken),
        (EOFError(), LinkBroken),
        (ConnectionResetError(errno.ECONNRESET, ""), LinkBroken),
        (BrokenPipeError(errno.EPIPE, ""), LinkBroken),
        (OSError("Socket is closed"), LinkBroken),
        (TimeoutError(), LinkTimeout),
        (TimeoutError(errno.ETIMEDOUT, ""), LinkBroken),
        (OSError(errno.EHOSTUNREACH, ""), LinkBroken),
        (socket.gaierror(socket.EAI_NONAME, ""), PartnerUnreachable),
        (ConnectionRefusedError(errno.ECONNREFUSED, ""), PartnerUnreachable),
        (NoValidConnectionsError({("192.0.2.1", 22): OSError(errno.ECONNREFUSED, "")}), PartnerUnreachable),
        (OSError(errno.ENOSPC, ""), DiskFull),
        (OSError(errno.EDQUOT, ""), DiskFull),
        (OSError(errno.EIO, ""), DiskFailed),
        (FileNotFoundError(errno.ENOENT, ""), DiskFailed),
        (PermissionError(errno.EACCES, ""), DiskFailed),
    ],
    ids=repr,
)
def test_an_error_has_its_meaning(error: BaseException, meaning: type[GatewayError]) -> None:
    assert type(translate(error)) is meaning


@pytest.mark.parametrize(
    "error",
    [
        TimeoutError(errno.ETIMEDOUT, ""),
        ConnectionResetError(errno.ECONNRESET, ""),
        OSError(errno.ENETUNREACH, ""),
        EOFError(),
        paramiko.SSHException("Error reading SSH protocol banner"),
    ],
    ids=repr,
)
def test_before_there_is_a_session_a_broken_line_means_unreachable(error: BaseException) -> None:
    assert type(translate(error, connecting=True)) is PartnerUnreachable


@pytest.mark.parametrize("code", [code for code in StatusCode if code is not StatusCode.OK])
def test_every_refusal_of_a_server_defers(code: StatusCode) -> None:
    assert isinstance(translate(SftpStatus(code, "open")), RemoteRefused | LinkBroken | RemoteDiskFull)


def test_codes_of_later_drafts_are_failures() -> None:
    assert StatusCode.of(31) is StatusCode.FAILURE


def test_codes_of_later_drafts_that_say_more_are_understood() -> None:
    assert StatusCode.of(10) is StatusCode.NO_SUCH_FILE
    assert StatusCode.of(12) is StatusCode.PERMISSION_DENIED
    for full in (14, 15):
        assert type(translate(SftpStatus(StatusCode.of(full), "write"))) is RemoteDiskFull


def test_an_error_of_the_gateway_stays_what_it_is() -> None:
    error = LinkTimeout("slow")
    assert translate(error) is error


@given(st.text(min_size=5).filter(lambda text: text not in "a file of this gateway: "))
def test_a_server_s_own_words_never_reach_a_reason(words: str) -> None:
    for error in (paramiko.SSHException(words), OSError(errno.EIO, words), paramiko.ChannelException(1, words)):
        reason = translate(error).reason
        assert reason in {translate(paramiko.SSHException()).reason, f"a file of this gateway: {os.strerror(5)}"} | {
            RemoteRefused().reason
        }


@given(st.integers(min_value=1, max_value=133))
def test_every_errno_defers_or_holds(number: int) -> None:
    for connecting in (False, True):
        assert isinstance(translate(OSError(number, "x"), connecting=connecting), Defer | Hold)


def test_only_modern_algorithms_are_offered() -> None:
    assert CIPHERS[0].startswith("aes128-gcm")
    for name in (*CIPHERS, *MACS, *KEY_EXCHANGES):
        assert not any(weak in name for weak in ("cbc", "3des", "md5", "hmac-sha1", "group1-", "group14-sha1"))
    assert set(CIPHERS) <= set(Transport._cipher_info)  # type: ignore[attr-defined]  # the stubs leave it out
    assert set(MACS) <= set(Transport._mac_info)  # type: ignore[attr-defined]  # the same
