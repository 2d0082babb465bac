"""The link by e-mail over real servers: aiosmtpd takes the mail, Dovecot gives it out; and what strangers put into the mailbox."""

from __future__ import annotations

import contextlib
import imaplib
import itertools
import os
import re
import ssl
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import (
    CertificateRefused,
    LinkBroken,
    MailLoginRefused,
    MailTooLarge,
    MailUnreadable,
    PartnerUnreachable,
    RemoteRefused,
)
from gateway.transport.contract import Remote
from gateway.transport.mail.client import MailSession, MailTransport
from gateway.transport.mail.servers import MailServer
from tests.fakes.mail_servers import PASSWORD, MailServers, mail_servers, needs_dovecot
from tests.fakes.sshd_site import free_port, parcel

pytestmark = needs_dovecot
DWP, LA, LIKE_LA = "gateway@dwp.example", "gateway@la.example", "old-gateway@la.example"
ID = "019aa6f2-7c1e-7b3a-9d55-3f0a1b2c3d4e"
OTHER = "019aa6f2-7c1f-7000-8000-000000000000"


@pytest.fixture(scope="module")
def running() -> Iterator[MailServers]:
    with mail_servers(DWP, LA, LIKE_LA) as made:
        yield made


@pytest.fixture
def servers(running: MailServers) -> MailServers:
    """The servers, with empty mailboxes."""
    for address in (DWP, LA, LIKE_LA):
        for kind in ("new", "cur"):
            for path in (running.maildir(address) / kind).iterdir():
                path.unlink()
    running.refuses = None
    return running


def send(transport: MailTransport, own: Path, **contents: bytes) -> None:
    session = transport.connect()
    for name, content in contents.items():
        (sent,) = session.send([parcel(own, name, content)])
        assert sent.name == name
    session.close()


@pytest.fixture
def la(servers: MailServers) -> Iterator[MailSession]:
    session = servers.transport(LA, DWP).connect()
    yield session
    session.close()


def mail(name: str, content: bytes, sender: str = DWP, subject: str | None = None) -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = sender, LA, subject or f"[EXTERNAL] Gateway {name}"
    made.set_content("see attachment")
    made.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return made


@pytest.mark.parametrize("size", [0, 1, 57, 300_001])
def test_a_sealed_file_goes_and_comes_byte_for_byte_and_stays_until_it_is_removed(
    servers: MailServers, la: MailSession, tmp_path: Path, size: int
) -> None:
    content = os.urandom(size)
    send(servers.transport(DWP, LA), tmp_path, **{f"{ID}.pgp": content})
    (remote,) = la.waiting()
    assert remote.name == f"{ID}.pgp"
    la.fetch(remote, tmp_path / "got.pgp")
    assert (tmp_path / "got.pgp").read_bytes() == content
    assert len(servers.mails(LA)) == 1, "only once it is durable"
    la.remove(remote)
    assert servers.mails(LA) == {}
    assert la.waiting() == []


def test_a_submission_server_may_speak_tls_from_its_first_byte(servers: MailServers, tmp_path: Path) -> None:
    there = MailServer("127.0.0.1", servers.smtps_port, "implicit", DWP, servers.secret())
    send(servers.transport(DWP, LA, submission=there), tmp_path, **{f"{ID}.pgp": b"sealed"})
    assert len(servers.mails(LA)) == 1


def test_a_mail_that_came_twice_is_fetched_twice_and_one_of_another_name_beside_it(
    servers: MailServers, la: MailSession, tmp_path: Path
) -> None:
    transport = servers.transport(DWP, LA)
    for _ in range(2):
        send(transport, tmp_path, **{f"{ID}.pgp": b"sealed"})
    send(transport, tmp_path, **{f"{OTHER}.receipt.pgp": b"receipt"})
    first, second, receipt = la.waiting()
    assert first.name == second.name  # their Message-IDs may differ by a byte in length
    for number, remote in enumerate((first, second, receipt)):
        la.fetch(remote, tmp_path / f"{number}.pgp")
        la.remove(remote)
    assert [(tmp_path / f"{number}.pgp").read_bytes() for number in range(3)] == [b"sealed", b"sealed", b"receipt"]
    assert servers.mails(LA) == {}
    ids = {line for content in servers.taken for line in content.splitlines() if line.startswith(b"Message-ID")}
    assert len(ids) == len(servers.taken), "servers that throw away ids that they know keep a file that is sent again"


def test_what_strangers_put_there_is_passed_over_and_said_and_stays(servers: MailServers, tmp_path: Path) -> None:
    said: list[str] = []
    session = servers.transport(LA, DWP, max_bytes=200_000, note=said.append).connect()
    without_name = mail("x.pgp", b"x", subject="Dear Sir or Madam")
    too_large = mail(f"{ID}.pgp", os.urandom(300_000))
    no_attachment = mail(f"{OTHER}.pgp", b"x", subject=f"Gateway {ID}.pgp")
    of_others = [mail(f"{ID}.pgp", b"x", sender=who) for who in ("somebody@example.net", f"x{DWP}")]
    good = mail(f"{OTHER}.pgp", b"sealed")
    for each in (without_name, too_large, no_attachment, *of_others, good):
        servers.put(LA, each.as_bytes())
    unreadable, remote = session.waiting()
    with pytest.raises(MailUnreadable):
        session.fetch(unreadable, tmp_path / "a.pgp")
    assert not (tmp_path / "a.pgp").exists()
    session.fetch(remote, tmp_path / "b.pgp")
    session.remove(remote)
    assert (tmp_path / "b.pgp").read_bytes() == b"sealed"
    assert len(said) == 3
    assert session.waiting() == [], "what was passed over is not looked at again"
    session.close()
    assert len(servers.mails(LA)) == 5
    assert sum(name.partition(":2,")[2] == "F" for name in servers.mails(LA)) == 3, "flagged, for a person"


def test_mail_of_a_partner_whose_address_ends_like_another_s_stays_that_partner_s(servers: MailServers) -> None:
    servers.put(LIKE_LA, mail(f"{ID}.pgp", b"x", sender=f"old-{DWP}").as_bytes())
    for partner, wanted in ((DWP, []), (f"old-{DWP}", [f"{ID}.pgp"])):
        session = servers.transport(LIKE_LA, partner).connect()
        assert [remote.name for remote in session.waiting()] == wanted
        session.close()


def test_a_file_that_no_mail_can_carry_is_told_by_either_side_and_the_session_goes_on(
    servers: MailServers, tmp_path: Path
) -> None:
    session = servers.transport(DWP, LA, max_bytes=100_000).connect()
    with pytest.raises(MailTooLarge):
        list(session.send([parcel(tmp_path, f"{ID}.pgp", bytes(90_000))]))
    assert len(list(session.send([parcel(tmp_path, f"{OTHER}.pgp", b"small")]))) == 1
    by_server = servers.transport(DWP, LA, max_bytes=1 << 30).connect()
    with pytest.raises(MailTooLarge):
        list(by_server.send([parcel(tmp_path, "large.pgp", bytes(2_000_000))]))
    assert len(servers.mails(LA)) == 1


@pytest.mark.parametrize(
    ("reply", "told"),
    [("552 5.3.4 too big", MailTooLarge), ("554 5.7.1 refused", RemoteRefused), ("421 4.3.2 closing", RemoteRefused)],
)
def test_what_the_server_answers_has_a_meaning(
    servers: MailServers, tmp_path: Path, reply: str, told: type[Exception]
) -> None:
    servers.refuses = reply
    with pytest.raises(told) as raised:
        list(servers.transport(DWP, LA).connect().send([parcel(tmp_path, f"{ID}.pgp", b"sealed")]))
    assert reply.rsplit(maxsplit=1)[-1] not in str(raised.value), "what a server says is not repeated"


def test_nothing_is_said_to_a_server_whose_certificate_is_not_trusted(servers: MailServers, tmp_path: Path) -> None:
    session = servers.transport(DWP, LA, ca_file="").connect()
    with pytest.raises(CertificateRefused):
        list(session.send([parcel(tmp_path, f"{ID}.pgp", b"sealed")]))
    with pytest.raises(CertificateRefused):
        session.waiting()
    assert servers.mails(LA) == {}


def test_a_wrong_password_and_a_server_that_is_not_there_are_told(servers: MailServers, tmp_path: Path) -> None:
    def there(port: int, password: str) -> MailServer:
        return MailServer("127.0.0.1", port, "implicit", DWP, servers.secret(password))

    sealed = parcel(tmp_path, f"{ID}.pgp", b"sealed")
    wrong = servers.transport(
        DWP, LA, submission=there(servers.smtps_port, "wrong"), imap=there(servers.imap_port, "wrong")
    ).connect()
    away = servers.transport(
        DWP, LA, submission=there(free_port(), "right"), imap=there(free_port(), "right")
    ).connect()
    for session, told in ((wrong, MailLoginRefused), (away, PartnerUnreachable)):
        with pytest.raises(told):
            list(session.send([sealed]))
        with pytest.raises(told):
            session.waiting()


def test_a_trial_logs_in_at_both_and_changes_nothing(servers: MailServers) -> None:
    servers.put(LA, mail(f"{ID}.pgp", b"sealed").as_bytes())
    servers.put(LA, mail("x.pgp", b"x", subject="Dear Sir or Madam").as_bytes())
    found = servers.transport(LA, DWP).trial()
    assert found.server_max_bytes == 1 << 21
    assert found.waiting == 1
    assert [name.partition(":2,")[2] for name in servers.mails(LA)] == ["", ""], "nothing is read, flagged or removed"


def test_only_sealed_files_are_fetched(la: MailSession, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="only sealed files"):
        la.fetch(Remote("../../evil", 5), tmp_path / "a")


def test_another_program_may_change_flags_meanwhile(
    servers: MailServers, la: MailSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server tells of it in the next answer, whatever that answers; so do our own lanes to other partners."""
    names = [f"{ID[:-1]}{digit}.pgp" for digit in "123"]
    for name in names:
        servers.put(LA, mail(name, name.encode()).as_bytes())
    other = imaplib.IMAP4_SSL(
        "127.0.0.1", servers.imap_port, ssl_context=ssl.create_default_context(cafile=servers.ca_file)
    )
    other.login(LA, PASSWORD)
    other.select("INBOX")
    really, signs = imaplib.IMAP4.uid, itertools.cycle("+-")

    def uid(self: imaplib.IMAP4, *arguments: str) -> Any:
        other.store("1:*", f"{next(signs)}FLAGS", r"(\Answered)")
        return really(self, *arguments)

    monkeypatch.setattr(imaplib.IMAP4, "uid", uid)
    for remote in la.waiting():
        la.fetch(remote, tmp_path / remote.name)
        la.remove(remote)
    other.logout()
    assert [(tmp_path / name).read_bytes() for name in names] == [name.encode() for name in names]
    assert servers.mails(LA) == {}


def test_a_server_that_gives_more_than_it_was_asked_for_is_not_read(
    servers: MailServers, la: MailSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    servers.put(LA, mail(f"{ID}.pgp", bytes(3_000_000)).as_bytes())
    monkeypatch.setattr("gateway.transport.mail.mailbox._SIZE", re.compile(rb"\bRFC822\.SIZE (\d)"))
    (remote,) = la.waiting()
    with pytest.raises(MailUnreadable):
        la.fetch(remote, tmp_path / "got.pgp")  # it was asked for no more than `max_bytes`
    servers.put(LA, mail(f"{OTHER}.pgp", bytes(3_000_000)).as_bytes())
    (remote,) = la.waiting()
    really = imaplib.IMAP4.uid
    monkeypatch.setattr(
        imaplib.IMAP4, "uid", lambda self, *said: really(self, *(re.sub("<.*>", "", each) for each in said))
    )
    with pytest.raises(LinkBroken):
        la.fetch(remote, tmp_path / "got.pgp")
    assert not (tmp_path / "got.pgp").exists()


@pytest.mark.parametrize("answer", [b"* SEARCH {3}\r\n1 2", b"* 1 FETCH (BODY[] {" + b"9" * 5000 + b"}"])
def test_nonsense_of_a_server_is_no_defect_of_ours(
    servers: MailServers, la: MailSession, monkeypatch: pytest.MonkeyPatch, answer: bytes
) -> None:
    assert la.waiting() == []
    really, lines = imaplib.IMAP4.readline, iter(answer.split(b"\r\n"))
    asked: list[object] = []

    def uid(self: imaplib.IMAP4, *arguments: str) -> Any:
        asked.append(arguments)
        return real_uid(self, *arguments)

    def readline(self: imaplib.IMAP4) -> bytes:
        line = next(lines, None) if asked else None
        return really(self) if line is None else line + b"\r\n"

    real_uid = imaplib.IMAP4.uid
    monkeypatch.setattr(imaplib.IMAP4, "uid", uid)
    monkeypatch.setattr(imaplib.IMAP4, "readline", readline)
    with contextlib.suppress(LinkBroken):
        assert la.waiting() == []
    assert asked
