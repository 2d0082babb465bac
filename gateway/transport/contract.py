"""What the gateway asks of a transport: sealed files to a partner, sealed files from a partner.

Implementations: `sftp` (a partner's SFTP server), `endpoints` (several of them), `mail` (SMTP submission, and IMAP of our own mailbox), `folder` (our own
`landing/PARTNER/out`, which the partner collects or somebody carries by hand). Every error is a Defer or a Hold of `gateway.errors`; after an error nothing is left at the
partner under a final name, and the same call may be made again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Endpoint:
    """A partner's SFTP server. `host_key` is one line as in known_hosts without the host: `ssh-ed25519 AAAA...`.

    `old_host_key` is the key before, where the partner is changing it: accepted too until that moment, in seconds since
    1970. An empty `host_key` is one that is trusted no more: no connection is made.
    """

    host: str
    port: int
    user: str
    path: str
    host_key: str
    old_host_key: str | None = None
    old_host_key_until: float = 0.0


@dataclass(frozen=True)
class Pace:
    """Timeouts of the link: seconds for connecting, for the banner and authentication, for one answer; the least
    throughput in bytes a second, below which a transfer is given up after `grace` seconds.
    """

    connect_timeout: float = 10.0
    auth_timeout: float = 45.0
    answer_timeout: float = 30.0
    least_bytes_per_second: int = 4096
    grace: float = 60.0


@dataclass(frozen=True)
class Parcel:
    """A sealed file to send: where it lies, and the name it gets at the partner (`ID.pgp`, `ID.receipt.pgp`)."""

    path: Path
    name: str
    size: int


@dataclass(frozen=True)
class Remote:
    """A sealed file that waits at the partner: its name and size in bytes; at which of its servers, where it has several."""

    name: str
    size: int
    at: str = ""


class Session(Protocol):
    """A kept connection to one partner. Not safe for two threads at once. After an error it is closed: make a new one;
    but for NameTaken, MailTooLarge and MailUnreadable, after which it goes on.
    """

    @property
    def trusts_names(self) -> bool:
        """Whether what `waiting` lists under a name that has landed already is the same file. Into a mailbox everybody may write, and two
        servers of a partner may hold out two receipts of one name: such a file is not removed unread.
        """
        ...

    @property
    def alive(self) -> bool:
        """Whether the connection still stands, as far as is known here; a rested one may be asked before it is used."""
        ...

    def send(self, parcels: Iterable[Parcel]) -> Iterator[Parcel]:
        """Upload each parcel under `NAME.part`, check its size, rename without overwriting; yield it when that is done.

        A parcel whose final name is there already with the right size counts as sent (an earlier attempt that broke
        after the rename, or a retry before the receipt). With another size it is NameTaken, never overwritten: the
        partner's gateway takes the file there away and judges it, and then a retry finds the name free. By mail a parcel is sent
        each time, and the partner's gateway knows it again; one that no mail can carry is MailTooLarge.
        """
        ...

    def waiting(self) -> list[Remote]:
        """Sealed files that the partner holds out to us, complete ones only, oldest name first."""
        ...

    def fetch(self, remote: Remote, target: Path) -> None:
        """Download to `target` (which must not exist; complete, durable or absent). The remote file stays. MailUnreadable for
        one that is no sealed file: it has been set aside, and is not listed again.
        """
        ...

    def remove(self, remote: Remote) -> None:
        """Remove a fetched file at the partner."""
        ...

    def close(self) -> None: ...


class Transport(Protocol):
    """Makes sessions towards one partner."""

    def connect(self) -> Session:
        """A live session, or the Defer or Hold that says why not."""
        ...
