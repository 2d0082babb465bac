"""Log-ins at the managed SFTP server, out of sshd's messages: every connection comes out in exactly one way.

Pure: messages in, log-ins out; nothing is raised. Messages are of LogLevel VERBOSE, each of them whole (`server` keeps them
apart). Strangers choose some of their words: user names, lists of algorithms, identifications, with line ends where they like.
So a message's kind is told by its first words, and a connection by the address and port that sshd writes last or first, never
by anything after or before a stranger's text. A message that is not understood is passed over. A connection of which no more is
heard comes out with what it has shown so far.

Bounded: a connection is kept until it has logged in or ended, at most a minute, and at most so many of them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from gateway.domain.logins import Login, Result

GRACE: Final = 60.0
"""Seconds after which a connection that has not logged in is over: twice sshd's LoginGraceTime."""
MOST: Final = 4096
"""Connections that are followed at a time; sshd itself has at most MaxStartups of them, 500."""

_PEER: Final = r"(?P<address>[0-9A-Za-z.:%_-]{1,64}) port (?P<port>-?[0-9]{1,5})"
_KEY: Final = r"[0-9A-Za-z-]{1,40} (?P<fingerprint>SHA256:[A-Za-z0-9+/]{43})"
_USER: Final = r"(?P<unknown>invalid user )?.*"
"""Greedy and followed by what sshd wrote last. A name that begins with `invalid user ` is no account's."""
_PREAUTH: Final = r"(?: \[preauth\])?"


def _shape(text: str) -> re.Pattern[str]:
    return re.compile(text, re.DOTALL)


_OPENED: Final = _shape(rf"Connection from {_PEER} on .*")
_DROPPED: Final = _shape(r"drop connection #[0-9]+ from \[(?P<address>[^\]]{1,64})\]:(?P<port>-?[0-9]{1,5}) on .*")
_ACCEPTED: Final = _shape(rf"Accepted \S+ for \S+ from {_PEER} ssh2(?:: {_KEY})?")
_FAILED: Final = _shape(rf"Failed \S+ for {_USER} from {_PEER} ssh2(?:: {_KEY})?{_PREAUTH}")
_INVALID: Final = _shape(rf"Invalid user .* from {_PEER}")
_ENDS: Final = (
    _shape(rf"maximum authentication attempts exceeded for {_USER} from {_PEER} ssh2{_PREAUTH}"),
    _shape(
        r"(?:Connection closed by|Connection reset by|Disconnected from) "
        rf"(?P<user>authenticating|(?P<unknown>invalid)) user .* {_PEER}{_PREAUTH}"
    ),
    _shape(rf"(?:Connection closed by|Connection reset by|Disconnected from) {_PEER}{_PREAUTH}"),
    # Sshd takes what follows a colon off a user name, so the first colon is its own, or the address's.
    _shape(rf"Unable to negotiate with (?P<disagreed>){_PEER}: .*"),
    _shape(rf"banner exchange: Connection from {_PEER}: .*"),
    _shape(
        r"ssh_dispatch_run_fatal: Connection from "
        rf"(?:(?P<user>authenticating|(?P<unknown>invalid)) user [^:]* )?{_PEER}: .*"
    ),
    _shape(rf"(?:fatal: )?Timeout before authentication for {_PEER}"),
)
_SILENT: Final = Login(Result.NO_LOGIN)
_RANK: Final = {result: rank for rank, result in enumerate(Result)}


@dataclass(frozen=True)
class Attempt:
    """One connection as it came out, and where it came from."""

    login: Login
    address: str


@dataclass
class _Connection:
    opened: float
    login: Login = _SILENT

    def shows(self, login: Login) -> None:
        if _RANK[login.result] >= _RANK[self.login.result]:
            self.login = login


class Connections:
    """The connections that have neither logged in nor ended. `owners` has each partner by its keys' fingerprints."""

    def __init__(self, owners: Mapping[str, str]) -> None:
        self._owners = owners
        self._open: dict[tuple[str, str], _Connection] = {}

    def __len__(self) -> int:
        return len(self._open)

    def know(self, owners: Mapping[str, str]) -> None:
        """Take over other partners' keys."""
        self._owners = owners

    def read(self, message: str, now: float) -> Iterator[Attempt]:
        """Log-ins that this message of sshd's completes; `now` counts seconds and never goes back."""
        if said := _OPENED.fullmatch(message):
            yield from self._ended(_peer(said))  # sshd never told how the one before at that port ended
            while len(self._open) >= MOST:
                yield from self._ended(next(iter(self._open)))
            self._open[_peer(said)] = _Connection(now)
        elif said := _ACCEPTED.fullmatch(message):
            self._open.pop(_peer(said), None)
            yield Attempt(self._login(Result.ACCEPTED, said["fingerprint"]), said["address"])
        elif said := _DROPPED.fullmatch(message):
            yield Attempt(Login(Result.DROPPED), said["address"])
        elif said := _INVALID.fullmatch(message):
            self._shown(said, Login(Result.UNKNOWN_USER))
        elif said := _FAILED.fullmatch(message):
            self._shown(said, self._failed(said))
        else:
            yield from self._heard_end(message)

    def overdue(self, now: float) -> Iterator[Attempt]:
        """Those that sshd must have given up by now, whatever it said."""
        for peer in [peer for peer, each in self._open.items() if now - each.opened > GRACE]:
            yield from self._ended(peer)

    def end(self) -> Iterator[Attempt]:
        """All of them: sshd has ended."""
        for peer in list(self._open):
            yield from self._ended(peer)

    def _heard_end(self, message: str) -> Iterator[Attempt]:
        for shape in _ENDS:
            said = shape.fullmatch(message)
            if said is None:
                continue
            groups = said.groupdict()
            if groups.get("unknown"):
                self._shown(said, Login(Result.UNKNOWN_USER))
            elif shape is _ENDS[0] or groups.get("user"):
                self._shown(said, Login(Result.NO_KEY))
            elif "disagreed" in groups:
                self._shown(said, Login(Result.NO_AGREEMENT))
            yield from self._ended(_peer(said))
            return

    def _failed(self, said: re.Match[str]) -> Login:
        if said["unknown"]:
            return Login(Result.UNKNOWN_USER)
        if said["fingerprint"] is None:
            return Login(Result.NO_KEY)
        known = said["fingerprint"] in self._owners
        return self._login(Result.KEY_REFUSED if known else Result.WRONG_KEY, said["fingerprint"])

    def _login(self, result: Result, fingerprint: str | None) -> Login:
        """A key of nobody's is not named: strangers have as many of them as they like."""
        partner = self._owners.get(fingerprint or "")
        return Login(result, partner, None if partner is None else fingerprint)

    def _shown(self, said: re.Match[str], login: Login) -> None:
        connection = self._open.get(_peer(said))
        if connection is not None:
            connection.shows(login)

    def _ended(self, peer: tuple[str, str]) -> Iterator[Attempt]:
        connection = self._open.pop(peer, None)
        if connection is not None:
            yield Attempt(connection.login, peer[0])


def _peer(said: re.Match[str]) -> tuple[str, str]:
    return said["address"], said["port"]
