"""Mails with a sealed file: written, read, and read whatever somebody else wrote; and what mail servers' errors mean."""

from __future__ import annotations

import contextlib
import imaplib
import inspect
import os
import smtplib
import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.errors import (
    CertificateRefused,
    Defer,
    GatewayError,
    LinkBroken,
    LinkTimeout,
    MailLoginRefused,
    MailTooLarge,
    MailUnreadable,
    PartnerUnreachable,
    RemoteDiskFull,
    RemoteRefused,
)
from gateway.settings.mail import MailSettings
from gateway.transport.mail.faults import translate
from gateway.transport.mail.message import HEADERS_BYTES, attachment, compose, name_of, sender_of, size_of
from gateway.transport.names import is_sealed_name

ID = "019aa6f2-7c1e-7b3a-9d55-3f0a1b2c3d4e"
NAME = f"{ID}.pgp"
AT = datetime(2026, 11, 28, 12, tzinfo=UTC)


def mail(content: bytes = b"sealed", name: str = NAME) -> bytes:
    return compose(name, content, "gateway@dwp.example", "gateway@la.example", AT, "unique-1")


@given(content=st.binary(max_size=2000))
@example(content=b"")
@example(content=b"\r\n--boundary\r\n" * 100)
def test_what_is_written_is_read_and_no_mail_is_larger_than_was_said(content: bytes) -> None:
    made = mail(content)
    assert attachment(made, NAME) == content
    assert len(made) <= size_of(len(content))


def test_a_large_file_s_mail_is_no_larger_than_was_said_and_fits_where_it_is_said_to() -> None:
    content = os.urandom(3_000_000)
    assert len(mail(content)) <= size_of(len(content)) <= len(content) * 1.4
    for most in (64 * 1024, 20 << 20, 1 << 30):
        # A consignment's sealed file is larger than its files where they do not compress: archive, manifest, OpenPGP.
        assert size_of(MailSettings(max_message_bytes=most).carries * 1003 // 1000 + 1500) <= most


def test_the_mail_is_one_that_mail_programs_read() -> None:
    read = message_from_bytes(mail(b"sealed"))
    assert (read["From"], read["To"]) == ("gateway@dwp.example", "gateway@la.example")
    assert read["Subject"] == f"Gateway {NAME}"
    assert read["Auto-Submitted"] == "auto-generated", "nobody's absence notice answers it"
    assert [part.get_payload(decode=True) for part in read.walk()][2] == b"sealed"


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        (f"Gateway {NAME}", NAME),
        (f"[EXTERNAL] Gateway {ID}.receipt.pgp (scanned)", f"{ID}.receipt.pgp"),
        (f"=?utf-8?q?Gateway_{NAME}?=", NAME),
        (f"Gateway {ID.upper()}.pgp", None),
        (f"Gateway {ID}.pgpx", None),
        (f"Gateway a{NAME}", None),
        ("Gateway ../../etc/passwd.pgp", None),
        ("", None),
    ],
)
def test_only_the_name_of_a_sealed_file_is_taken_from_a_subject(subject: str, name: str | None) -> None:
    assert name_of(f"Subject: {subject}\r\n\r\n".encode()) == name
    assert name is None or is_sealed_name(name)


def test_the_address_is_what_stands_in_the_header_without_the_name() -> None:
    assert sender_of(b"From: Gateway <Gateway@DWP.example>\r\n\r\n") == "gateway@dwp.example"
    assert sender_of(b'From: "gateway@dwp.example" <evil@example.net>\r\n\r\n') == "evil@example.net"
    assert sender_of(b"\xff\xfe: \r\n\r\n") == ""


def test_a_relay_s_own_parts_before_and_behind_do_no_harm() -> None:
    head, blank, body = mail().partition(b"\r\n\r\n")
    boundary = message_from_bytes(head + blank).get_boundary()
    assert boundary is not None
    notice = f"--{boundary}\r\nContent-Type: text/html\r\n\r\n<p>External mail</p>\r\n".encode()
    ending = f"--{boundary}--".encode()
    assert attachment(head + blank + notice + body.replace(ending, notice + ending), NAME) == b"sealed"
    assert attachment(mail().replace(b"\r\n", b"\n"), NAME) == b"sealed"


@pytest.mark.parametrize(
    "written",
    [
        b"",
        b"From: a@b",
        b"Subject: x\r\n\r\nno parts",
        b"X: " + b"y" * HEADERS_BYTES + b"\r\n\r\n",
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\n\r\n" * 100_000,
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + b"X: y\r\n" * 100_000,
        b'Content-Type: multipart/mixed; boundary=""\r\n\r\n----',
        mail().replace(b"base64", b"8bit"),
        mail().replace(b"c2VhbGVk", b"c2VhbG!k"),
        mail().replace(b"c2VhbGVk", b"c2VhbGV"),
        mail(name=f"{ID}.receipt.pgp"),
    ],
    ids=lambda written: repr(written[:30]),
)
def test_what_carries_no_such_file_is_unreadable(written: bytes) -> None:
    with pytest.raises(MailUnreadable):
        attachment(written, NAME)


def test_reading_costs_no_more_the_deeper_a_mail_is_nested() -> None:
    nested = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (number, number) for number in range(50_000)
    )
    begun = time.process_time()
    with pytest.raises(MailUnreadable):
        attachment(nested, NAME)
    assert time.process_time() - begun < 2.0


@given(
    written=st.binary(max_size=500),
    before=st.sampled_from([b"", b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n"]),
)
def test_nothing_that_is_written_there_raises_anything_else(written: bytes, before: bytes) -> None:
    name_of(written)
    sender_of(written)
    with contextlib.suppress(MailUnreadable):
        attachment(before + written, NAME)


def every_class(module: object, base: type[BaseException]) -> list[type[BaseException]]:
    return [each for _, each in inspect.getmembers(module, inspect.isclass) if issubclass(each, base)]


def _from_words(kind: Any) -> BaseException:
    error = kind("secret words")
    assert isinstance(error, BaseException)
    return error


def test_every_error_of_smtplib_and_imaplib_has_a_meaning() -> None:
    found = [
        *every_class(smtplib, smtplib.SMTPException),
        imaplib.IMAP4.error,
        imaplib.IMAP4.abort,
        imaplib.IMAP4.readonly,
    ]
    assert len(found) > 10
    made: dict[type[BaseException], Callable[[Any], BaseException]] = {
        smtplib.SMTPResponseException: lambda kind: kind(554, b"secret words"),
        smtplib.SMTPSenderRefused: lambda kind: kind(554, b"secret words", "a@b"),
        smtplib.SMTPRecipientsRefused: lambda kind: kind({"a@b": (550, b"secret words")}),
    }
    for kind in found:
        maker = next((made[base] for base in kind.__mro__[:2] if base in made), _from_words)
        error = translate(maker(kind))
        assert isinstance(error, Defer), kind
        assert "secret" not in str(error), "what a server says is not repeated"


@pytest.mark.parametrize(
    ("error", "connecting", "told"),
    [
        (smtplib.SMTPDataError(552, b"5.3.4"), False, MailTooLarge),
        (smtplib.SMTPSenderRefused(552, b"5.3.4", "a@b"), False, MailTooLarge),
        (smtplib.SMTPDataError(452, b"4.3.1"), False, RemoteDiskFull),
        (smtplib.SMTPAuthenticationError(535, b"no"), False, MailLoginRefused),
        (smtplib.SMTPServerDisconnected("gone"), False, LinkBroken),
        (smtplib.SMTPServerDisconnected("gone"), True, PartnerUnreachable),
        (imaplib.IMAP4.abort("gone"), False, LinkBroken),
        (imaplib.IMAP4.error("NO"), False, RemoteRefused),
        (ssl.SSLCertVerificationError("self-signed"), True, CertificateRefused),
        (ssl.SSLError("wrong version number"), True, PartnerUnreachable),
        (TimeoutError(), True, LinkTimeout),
        (ConnectionRefusedError(), True, PartnerUnreachable),
        (UnicodeEncodeError("ascii", "ä", 0, 1, ""), False, MailLoginRefused),
        (UnicodeError("label too long"), True, PartnerUnreachable),
    ],
)
def test_errors_of_mail_servers_have_their_meaning(
    error: Exception,
    connecting: bool,  # noqa: FBT001 - a table
    told: type[GatewayError],
) -> None:
    assert type(translate(error, connecting=connecting)) is told


def test_a_password_that_is_not_there_is_a_log_in_that_fails(tmp_path: Path) -> None:
    from gateway.transport.mail.servers import password  # noqa: PLC0415 - here alone

    with pytest.raises(MailLoginRefused):
        password(tmp_path / "submission.secret")
    (tmp_path / "imap.secret").write_text("correct horse\n", "utf-8")
    assert password(tmp_path / "imap.secret") == "correct horse"


@pytest.mark.parametrize(
    "parameter",
    ["*=undefined''b", "*=idna''b", "*=a\0b''b", f"*{'9' * 5000}=b", f'="{";" * 60_000}'],
    ids=["codec", "handler", "null", "digits", "square"],
)
def test_a_parameter_over_which_the_parser_breaks_down_is_none(parameter: str) -> None:
    began = time.monotonic()
    outer = f"Content-Type: multipart/mixed; boundary{parameter}\r\n\r\n--b\r\n\r\n--b--\r\n".encode()
    part = f"--b\r\nContent-Disposition: attachment; filename{parameter}\r\n\r\nAAAA\r\n".encode()
    for stranger in (outer, b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + part * 30):
        with pytest.raises(MailUnreadable):
            attachment(stranger, NAME)
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("nest", ["a:", "<@a:", "("])
def test_an_address_that_nests_is_nobody_s(nest: str) -> None:
    for times in (1200, 20_000):
        assert sender_of(f"From: {nest * times} <gateway@dwp.example>\r\n\r\n".encode()) == ""


def test_a_mail_that_was_cut_off_is_no_shorter_file() -> None:
    whole = mail(bytes(3000))
    end = whole.rindex(b"\r\n--")
    for cut in range(end - 170, end + 4):
        with pytest.raises(MailUnreadable):
            attachment(whole[:cut], NAME)
