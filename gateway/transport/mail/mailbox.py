"""Our mailbox, as far as one partner's mail lies in it: by IMAP, over a connection that is kept while what was seen is fetched.

Anybody may have written what lies there. A mail is removed by `remove` alone, which is called once its bytes are durable. What is no
sealed file is flagged and left for a person, and not looked at again; mail of other addresses is left alone.

Raises what `faults` gives, RemoteRefused for what the server refuses, MailLoginRefused; for files of ours DiskFull and DiskFailed;
`fetch` MailUnreadable.
"""

from __future__ import annotations

import contextlib
import imaplib
import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from gateway.errors import DiskFailed, MailLoginRefused, MailUnreadable, RemoteRefused
from gateway.storage.durable import sync_directory
from gateway.transport.contract import Remote
from gateway.transport.mail.faults import FAULTS, translate
from gateway.transport.mail.message import HEADERS_BYTES, attachment, name_of, sender_of
from gateway.transport.mail.servers import MailRoute, password, trust
from gateway.transport.names import PART, new_file, own_file_fault, sealed_name

MOST_AT_ONCE: Final = 100
"""Mails that one look into the mailbox takes: anybody may have filled it."""

_NUMBER: Final = re.compile(rb"\b\d{1,10}\b")
_UID: Final = re.compile(rb"\bUID (\d{1,10})\b")
_SIZE: Final = re.compile(rb"\bRFC822\.SIZE (\d{1,15})\b")
_WANTED: Final = f"BODY.PEEK[HEADER.FIELDS (FROM SUBJECT)]<0.{HEADERS_BYTES}>"


class _Bounded(imaplib.IMAP4):
    """imaplib reads as many bytes into memory as the server says that it has, whatever was asked for."""

    most = HEADERS_BYTES

    def read(self, size: int) -> bytes:
        if size > self.most:
            raise self.abort("more than was asked for")
        return super().read(size)


class _Imap(_Bounded):
    """A connection that begins without TLS."""


class _ImapOverTls(_Bounded, imaplib.IMAP4_SSL):
    """A connection that is TLS from its first byte."""


class Mailbox:
    """One partner's mail. `note` is told why a mail was passed over."""

    def __init__(self, route: MailRoute, timeout: float, note: Callable[[str], None]) -> None:
        self._route, self._timeout, self._note = route, timeout, note
        self._imap: imaplib.IMAP4 | None = None
        self._uids: defaultdict[Remote, list[int]] = defaultdict(list)

    def waiting(self, *, only_look: bool = False) -> list[Remote]:
        """Mails from the partner's address that name a sealed file, the oldest first, at most MOST_AT_ONCE of them.

        `only_look` sets nothing aside.
        """
        self.close()
        found: list[Remote] = []
        with self._connected() as imap:
            for uid, size in self._candidates(imap):
                (headers,) = self._literals(imap, uid, _WANTED)
                if sender_of(headers) != self._route.partner.casefold():
                    continue  # the server finds parts of addresses too
                name = name_of(headers)
                if name is None or size > self._route.max_bytes:
                    why = "its subject names no sealed file" if name is None else f"it has {size} bytes"
                    if not only_look:
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
        with self._connected() as imap:
            most = self._route.max_bytes
            (mail,) = self._literals(imap, uid, f"BODY.PEEK[]<0.{most + 1}>")
            try:
                content = _attachment(mail, name, most)
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
        with self._connected() as imap:
            _answer(imap.uid("STORE", str(uid), "+FLAGS.SILENT", r"(\Deleted)"))
            # Without UIDPLUS (RFC 4315) what somebody else marked goes as well, as by any mail program.
            _answer(imap.uid("EXPUNGE", str(uid)) if "UIDPLUS" in imap.capabilities else imap.expunge())

    def _candidates(self, imap: imaplib.IMAP4) -> Iterator[tuple[int, int]]:
        """Ids and sizes of mails that may be from the partner and that nobody set aside."""
        found = _answer(imap.uid("SEARCH", "UNDELETED", "UNFLAGGED", "FROM", f'"{self._route.partner}"'))
        listed = b" ".join(line for line in found if isinstance(line, bytes))
        for uid in sorted(map(int, _NUMBER.findall(listed))):
            # Beside the answer may stand what another program has just done to the flags of any mail (RFC 3501, section 7.4.2).
            about = [each for each in _answer(imap.uid("FETCH", str(uid), "(RFC822.SIZE)")) if isinstance(each, bytes)]
            sizes = [size for each in about if _is_of(each, uid) and (size := _SIZE.search(each))]
            if sizes:
                yield uid, int(sizes[0][1])

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
    def _connected(self) -> Iterator[imaplib.IMAP4]:
        """The mailbox, logged in; the ids of mails hold while this connection does."""
        try:
            if self._imap is None:
                self._uids.clear()
                self._imap = self._connect()
            yield self._imap
        except FAULTS as error:
            self.close()
            raise translate(error) from error

    def _connect(self) -> imaplib.IMAP4:
        there = self._route.imap
        said = password(there.secret)
        try:
            context = trust(self._route)
            if there.tls == "implicit":
                imap: _Imap | _ImapOverTls = _ImapOverTls(
                    there.host, there.port, ssl_context=context, timeout=self._timeout
                )
            else:
                imap = _Imap(there.host, there.port, timeout=self._timeout)
        except FAULTS as error:
            raise translate(error, connecting=True) from error
        try:
            if there.tls == "starttls":
                imap.starttls(ssl_context=context)
            with _log_in():
                imap.login(there.user, said)
            _answer(imap.select(f'"{self._route.folder}"'))
            imap.most = max(self._route.max_bytes + 1, HEADERS_BYTES)
        except BaseException:
            imap.shutdown()
            raise
        return imap

    def close(self) -> None:
        imap, self._imap = self._imap, None
        self._uids.clear()
        if imap is not None:
            with contextlib.suppress(*FAULTS):
                imap.logout()
            with contextlib.suppress(*FAULTS):
                imap.shutdown()  # a log-out that fails leaves the connection open


def _attachment(mail: bytes, name: str, most: int) -> bytes:
    if len(mail) > most:
        raise MailUnreadable("the mail is larger than the mail server said")
    return attachment(mail, name)


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
