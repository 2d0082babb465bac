"""A transport that counts: what was sent to whom and in which order, with partners and parcels that never get done."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from gateway.errors import GatewayError, LinkBroken, PartnerUnreachable
from gateway.transport.contract import Parcel, Remote


@dataclass
class Post:
    """What all partners together have got. `stalls` says of which parcels the sending does not end before `close`, `away`
    whether nobody can be reached, and `clock` when it is.
    """

    stalls: Callable[[str, Parcel], bool] = lambda _partner, _parcel: False
    refuses: Callable[[str, Parcel], GatewayError | None] = lambda _partner, _parcel: None
    sent: list[tuple[str, str]] = field(default_factory=list)
    connections: dict[str, int] = field(default_factory=dict)
    stalled: threading.Event = field(default_factory=threading.Event)
    away: bool = False
    clock: Callable[[], float] = lambda: 0.0
    tries: list[tuple[str, float]] = field(default_factory=list)

    def to(self, partner: str) -> CountingTransport:
        return CountingTransport(self, partner)


@dataclass(frozen=True)
class CountingTransport:
    """Makes sessions towards one partner."""

    post: Post
    partner: str

    def connect(self) -> CountingSession:
        self.post.tries.append((self.partner, self.post.clock()))
        if self.post.away:
            raise PartnerUnreachable
        self.post.connections[self.partner] = self.post.connections.get(self.partner, 0) + 1
        return CountingSession(self.post, self.partner)


class CountingSession:
    """One session; it is alive until it is closed."""

    def __init__(self, post: Post, partner: str) -> None:
        self._post = post
        self._partner = partner
        self._closed = threading.Event()

    @property
    def trusts_names(self) -> bool:
        return True

    @property
    def alive(self) -> bool:
        return not self._closed.is_set()

    def send(self, parcels: Iterable[Parcel]) -> Iterator[Parcel]:
        for parcel in parcels:
            if (error := self._post.refuses(self._partner, parcel)) is not None:
                raise error
            if self._post.stalls(self._partner, parcel):
                self._post.stalled.set()
                self._closed.wait()
                raise LinkBroken
            self._post.sent.append((self._partner, parcel.name))
            yield parcel

    def waiting(self) -> list[Remote]:
        return []

    def fetch(self, remote: Remote, target: Path) -> None:
        raise NotImplementedError

    def remove(self, remote: Remote) -> None:
        raise NotImplementedError

    def close(self) -> None:
        self._closed.set()
