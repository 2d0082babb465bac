"""The link by e-mail: a sealed file is the attachment of a mail that goes by SMTP submission, and comes out of a mailbox by IMAP.

TLS always, with a checked certificate, before a name or password is said. After an error a sealed file may have been sent all the same:
the partner knows it by its id, and a second mail does no harm. A mail is removed from the mailbox by `remove` alone, which is
called once the bytes are durable. What is no sealed file is flagged and left for a person, and not looked at again.

Raises PartnerUnreachable, LinkBroken, LinkTimeout, MailLoginRefused, CertificateRefused, MailTooLarge, RemoteRefused, RemoteDiskFull;
for files of ours DiskFull and DiskFailed; `fetch` MailUnreadable too.
"""

from __future__ import annotations

import contextlib
import smtplib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from gateway.errors import DiskFailed, MailTooLarge
from gateway.transport.contract import Parcel, Remote
from gateway.transport.mail.faults import FAULTS, translate
from gateway.transport.mail.mailbox import Mailbox
from gateway.transport.mail.message import compose, size_of
from gateway.transport.mail.servers import MailRoute, password, trust
from gateway.transport.names import own_file_fault, plain_name

_DIGITS: Final = 20
"""Of the largest message that a server takes (RFC 1870, section 3)."""


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
            waiting = len(session.mailbox.waiting(only_look=True))
            return MailTrial(submitted - begun, clock() - submitted, _most(said), waiting)
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
        self._route, self._timeout, self._wall, self._unique = route, timeout, wall, unique
        self.mailbox = Mailbox(route, timeout, note)

    @property
    def trusts_names(self) -> bool:
        return False

    @property
    def alive(self) -> bool:
        """Always: nothing is kept open that could be lost."""
        return True

    def close(self) -> None:
        self.mailbox.close()

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
                if most := _most(said):
                    self._require_room(parcel.size, most)
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
        said = password(there.secret)
        ours = self._route.address.partition("@")[2]  # else smtplib asks the resolver, and may wait for it
        try:
            tls = trust(self._route)
            if there.tls == "implicit":
                smtp: smtplib.SMTP = smtplib.SMTP_SSL(there.host, there.port, ours, timeout=self._timeout, context=tls)
            else:
                smtp = smtplib.SMTP(there.host, there.port, ours, timeout=self._timeout)
        except FAULTS as error:
            raise translate(error, connecting=True) from error
        with contextlib.closing(smtp):
            try:
                if there.tls == "starttls":
                    smtp.starttls(context=tls)
                smtp.login(there.user, said)
            except FAULTS as error:
                raise translate(error) from error
            yield smtp
            with contextlib.suppress(*FAULTS):
                smtp.quit()

    # -- from the partner

    def waiting(self) -> list[Remote]:
        """Mails from the partner's address that name a sealed file, the oldest first."""
        return self.mailbox.waiting()

    def fetch(self, remote: Remote, target: Path) -> None:
        """Write the attachment to `target`, which must not exist. MailUnreadable where there is none: the mail is set aside then."""
        self.mailbox.fetch(remote, target)

    def remove(self, remote: Remote) -> None:
        """Remove the mail whose file was fetched."""
        self.mailbox.remove(remote)


def _most(said: str) -> int | None:
    """The largest message by a server's word (RFC 1870); None where it is no number."""
    return int(said) if said.isascii() and said.isdigit() and len(said) <= _DIGITS else None
