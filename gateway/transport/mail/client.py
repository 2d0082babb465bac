"""The link by e-mail: a sealed file is the attachment of a mail that goes by SMTP submission, and comes out of a mailbox by IMAP.

TLS always, with a checked certificate, before a name or password is said. After an error a sealed file may have been sent all the same:
the partner knows it by its id, and a second mail does no harm. A mail is removed from the mailbox by `remove` alone, which is
called once the bytes are durable. What is no sealed file is flagged and left for a person, and not looked at again.

Raises PartnerUnreachable, LinkBroken, LinkTimeout, MailLoginRefused, CertificateRefused, MailTooLarge, RemoteRefused, RemoteDiskFull;
for files of ours DiskFull and DiskFailed; `fetch` MailUnreadable too.
"""

from __future__ import annotations

import contextlib
import imaplib
import os
import re
import smtplib
import ssl
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal

from gateway.errors import DiskFailed, MailLoginRefused, MailTooLarge, MailUnreadable, RemoteRefused
from gateway.storage.durable import sync_directory
from gateway.transport.contract import Parcel, Remote
from gateway.transport.mail.faults import FAULTS, translate
from gateway.transport.mail.message import attachment, compose, name_of, sender_of, size_of
from gateway.transport.names import PART, new_file, own_file_fault, plain_name, sealed_name

Tls = Literal["implicit", "starttls"]

MOST_AT_ONCE: Final = 100
"""Mails that one look into the mailbox takes: anybody may have filled it."""

_UID: Final = re.compile(rb"\bUID (\d+)")
_SIZE: Final = re.compile(rb"\bRFC822\.SIZE (\d+)")
_WANTED: Final = "BODY.PEEK[HEADER.FIELDS (FROM SUBJECT)]"


@dataclass(frozen=True)
class MailServer:
    """A server, the name of our log-in there, and the file that has its password on one line."""

    host: str
    port: int
    tls: Tls
    user: str
    secret: Path


@dataclass(frozen=True)
class MailRoute:
    """Both servers, our address and the partner's, and the largest message in bytes; `ca_file` is empty where the system's count."""

    submission: MailServer
    imap: MailServer
    folder: str
    address: str
    partner: str
    max_bytes: int
    ca_file: str


@dataclass(frozen=True)
class MailTrial:
    """What a trial of the link showed: seconds for logging in, the largest message that the server says it takes, and how many mails
    wait that are from the partner's address.
    """

    submission_seconds: float
    imap_seconds: float
    server_max_bytes: int | None
    waiting: int


class MailTransport:
    """Makes sessions. `wall` gives seconds since 1970, `unique` an id for each mail; `note` is told of mails that are passed over."""

    def __init__(
        self,
        route: MailRoute,
        timeout: float,
        wall: Callable[[], float],
        unique: Callable[[], str],
        note: Callable[[str], None] = lambda _reason: None,
    ) -> None:
        self._route, self._timeout, self._wall, self._unique, self._note = route, timeout, wall, unique, note

    def connect(self) -> MailSession:
        """A session; it logs in where it first needs to, at one server or at both."""
        return MailSession(self._route, self._timeout, self._wall, self._unique, self._note)

    def trial(self, clock: Callable[[], float] = time.monotonic) -> MailTrial:
        """Log in at both servers and look into the mailbox; nothing is sent, and nothing changes there."""
        session, begun = self.connect(), clock()
        try:
            with session.submission() as smtp:
                said = smtp.esmtp_features.get("size", "")
            submitted = clock()
            waiting = len(session.waiting())
            return MailTrial(submitted - begun, clock() - submitted, int(said) if said.isdigit() else None, waiting)
        finally:
            session.close()


class MailSession:
    """One partner's mail. The connection to the mailbox is kept while what was seen there is fetched."""

    def __init__(
        self,
        route: MailRoute,
        timeout: float,
        wall: Callable[[], float],
        unique: Callable[[], str],
        note: Callable[[str], None],
    ) -> None:
        self._route, self._timeout, self._wall, self._unique, self._note = route, timeout, wall, unique, note
        self._imap: imaplib.IMAP4 | None = None
        self._uids: defaultdict[Remote, list[int]] = defaultdict(list)

    @property
    def authenticates(self) -> bool:
        return False

    @property
    def alive(self) -> bool:
        """Always: nothing is kept open that could be lost."""
        return True

    def close(self) -> None:
        self._leave_mailbox()

    # -- to the partner

    def send(self, parcels: Iterable[Parcel]) -> Iterator[Parcel]:
        """Send each parcel as a mail of its own, and yield it once the server has taken that over."""
        with contextlib.ExitStack() as stack:
            smtp: smtplib.SMTP | None = None
            for parcel in parcels:
                self._require_room(parcel.size, self._route.max_bytes)
                if smtp is None:
                    smtp = stack.enter_context(self.submission())
                said = smtp.esmtp_features.get("size", "")
                if said.isdigit() and int(said):
                    self._require_room(parcel.size, int(said))
                mail = self._compose(parcel)
                try:
                    smtp.sendmail(self._route.address, [self._route.partner], mail)
                except FAULTS as error:
                    raise translate(error) from error
                yield parcel

    @staticmethod
    def _require_room(size: int, most: int) -> None:
        if size_of(size) > most:
            raise MailTooLarge(f"the sealed file has {size} bytes; a message may have {most}, and carries a third less")

    def _compose(self, parcel: Parcel) -> bytes:
        try:
            content = parcel.path.read_bytes()
        except OSError as error:
            raise own_file_fault(error) from error
        if len(content) != parcel.size:
            raise DiskFailed("a sealed file of ours is not as long as it was when it was sealed")
        at = datetime.fromtimestamp(int(self._wall()), UTC)
        route = self._route
        return compose(plain_name(parcel.name), content, route.address, route.partner, at, self._unique())

    @contextlib.contextmanager
    def submission(self) -> Iterator[smtplib.SMTP]:
        """The submission server, logged in."""
        there = self._route.submission
        password = _password(there.secret)
        try:
            trust = self._trust()
            if there.tls == "implicit":
                smtp: smtplib.SMTP = smtplib.SMTP_SSL(there.host, there.port, timeout=self._timeout, context=trust)
            else:
                smtp = smtplib.SMTP(there.host, there.port, timeout=self._timeout)
        except FAULTS as error:
            raise translate(error, connecting=True) from error
        with contextlib.closing(smtp):
            try:
                if there.tls == "starttls":
                    smtp.starttls(context=trust)
                smtp.login(there.user, password)
            except FAULTS as error:
                raise translate(error) from error
            yield smtp
            with contextlib.suppress(*FAULTS):
                smtp.quit()

    # -- from the partner

    def waiting(self) -> list[Remote]:
        """Mails from the partner's address that name a sealed file, the oldest first, at most MOST_AT_ONCE of them."""
        self._leave_mailbox()
        found: list[Remote] = []
        with self._mailbox() as imap:
            for uid, size in self._candidates(imap):
                (headers,) = self._literals(imap, uid, _WANTED)
                if sender_of(headers) != self._route.partner.casefold():
                    continue  # the server finds parts of addresses too
                name = name_of(headers)
                if name is None or size > self._route.max_bytes:
                    why = "its subject names no sealed file" if name is None else f"it has {size} bytes"
                    self._set_aside(imap, uid, why)
                    continue
                remote = Remote(name, size)
                self._uids[remote].append(uid)
                found.append(remote)
                if len(found) == MOST_AT_ONCE:
                    break
        return found

    def fetch(self, remote: Remote, target: Path) -> None:
        """Write the attachment to `target`, which must not exist. MailUnreadable where there is none: the mail is set aside then."""
        name, uid = sealed_name(remote.name), self._uids[remote][0]
        with self._mailbox() as imap:
            (mail,) = self._literals(imap, uid, "BODY.PEEK[]")
            try:
                content = attachment(mail, name)
            except MailUnreadable as error:
                self._set_aside(imap, self._uids[remote].pop(0), error.reason)
                raise
        part = target.with_name(target.name + PART)
        try:
            try:
                with new_file(part) as sink:
                    written = sink.write(content)
                    if written != len(content):
                        raise DiskFailed("a fetched file could not be written whole")
                    os.fsync(sink.fileno())
                os.link(part, target)  # never overwrites
            finally:
                part.unlink(missing_ok=True)
            sync_directory(target.parent)
        except OSError as error:
            raise own_file_fault(error) from error

    def remove(self, remote: Remote) -> None:
        """Remove the mail whose file was fetched."""
        uid = self._uids[remote].pop(0)
        with self._mailbox() as imap:
            _answer(imap.uid("STORE", str(uid), "+FLAGS.SILENT", r"(\Deleted)"))
            # Without UIDPLUS (RFC 4315) what somebody else marked goes as well, as by any mail program.
            _answer(imap.uid("EXPUNGE", str(uid)) if "UIDPLUS" in imap.capabilities else imap.expunge())

    def _candidates(self, imap: imaplib.IMAP4) -> Iterator[tuple[int, int]]:
        """Ids and sizes of mails that may be from the partner and that nobody set aside."""
        (found,) = _answer(imap.uid("SEARCH", "UNDELETED", "UNFLAGGED", "FROM", f'"{self._route.partner}"'))
        for uid in sorted(map(int, (found or b"").split())):
            (about,) = _answer(imap.uid("FETCH", str(uid), "(RFC822.SIZE)"))
            size = _SIZE.search(about) if isinstance(about, bytes) else None
            if size is not None:
                yield uid, int(size[1])

    @staticmethod
    def _literals(imap: imaplib.IMAP4, uid: int, what: str) -> list[bytes]:
        """What a mail has of that: one text, as it stands."""
        answer = _answer(imap.uid("FETCH", str(uid), f"({what})"))
        texts = [each[1] for each in answer if isinstance(each, tuple) and _is_of(each[0], uid)]
        if len(texts) != 1:
            raise RemoteRefused("the mail server does not give the mail that it listed")
        return texts

    def _set_aside(self, imap: imaplib.IMAP4, uid: int, why: str) -> None:
        _answer(imap.uid("STORE", str(uid), "+FLAGS.SILENT", r"(\Flagged)"))
        self._note(why)

    @contextlib.contextmanager
    def _mailbox(self) -> Iterator[imaplib.IMAP4]:
        """The mailbox, logged in; the ids of mails hold while this connection does."""
        try:
            if self._imap is None:
                self._uids.clear()
                self._imap = self._open_mailbox()
            yield self._imap
        except FAULTS as error:
            self._leave_mailbox()
            raise translate(error) from error

    def _open_mailbox(self) -> imaplib.IMAP4:
        there = self._route.imap
        password = _password(there.secret)
        try:
            trust = self._trust()
            if there.tls == "implicit":
                imap: imaplib.IMAP4 = imaplib.IMAP4_SSL(
                    there.host, there.port, ssl_context=trust, timeout=self._timeout
                )
            else:
                imap = imaplib.IMAP4(there.host, there.port, timeout=self._timeout)
        except FAULTS as error:
            raise translate(error, connecting=True) from error
        try:
            if there.tls == "starttls":
                imap.starttls(ssl_context=trust)
            with _log_in():
                imap.login(there.user, password)
            _answer(imap.select(f'"{self._route.folder}"'))
        except BaseException:
            imap.shutdown()
            raise
        return imap

    def _leave_mailbox(self) -> None:
        imap, self._imap = self._imap, None
        self._uids.clear()
        if imap is not None:
            with contextlib.suppress(*FAULTS):
                imap.logout()

    def _trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self._route.ca_file or None)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


@contextlib.contextmanager
def _log_in() -> Iterator[None]:
    """Imaplib tells a refused log-in by the class that it has for every refusal."""
    try:
        yield
    except imaplib.IMAP4.abort:
        raise
    except imaplib.IMAP4.error as error:
        raise MailLoginRefused from error


def _answer(answer: tuple[str, Any]) -> list[Any]:
    """The data of an answer; RemoteRefused for NO and BAD."""
    kind, data = answer
    if kind != "OK":
        raise RemoteRefused("the mail server does not do what it was asked")
    return list(data)


def _is_of(prefix: bytes, uid: int) -> bool:
    found = _UID.search(prefix)
    return found is not None and int(found[1]) == uid


def _password(secret: Path) -> str:
    """A file's one line; MailLoginRefused where there is none."""
    try:
        return secret.read_text("utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise MailLoginRefused(f"the password in {secret.name} cannot be read") from error
