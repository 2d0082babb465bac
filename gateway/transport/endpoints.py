"""A partner with several SFTP servers: sealed files go to the first that answers, and are fetched from all of them.

One that fails is left alone for a while, so a lane does not wait for it at each upload; then it is the first again. Raises what
the transports raise, with the server's name before the reason. A changed host key ends the attempt at once: a person decides before
anything goes to any of the partner's servers. Sending again elsewhere is harmless, since the partner knows a consignment by its id.
Safe for several threads.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Final

from gateway.errors import DiskFailed, DiskFull, Disposition, GatewayError, NameTaken
from gateway.transport.contract import Parcel, Remote, Session, Transport

_NOT_THE_SERVERS: Final = (NameTaken, DiskFull, DiskFailed)
"""Errors that say nothing of the server: the parcel's name is taken, or our own disk fails."""

Note = Callable[[str, GatewayError | None], None]
"""Told, from any thread, when a server begins to fail, why, or works again (None); the first time in any case."""


class SeveralEndpoints:
    """The servers of one partner by their names, in the order in which they are tried. `clock` counts seconds and never goes back; one
    that failed rests for `rest_seconds`.
    """

    def __init__(
        self, transports: Mapping[str, Transport], rest_seconds: float, clock: Callable[[], float], note: Note
    ) -> None:
        self._transports = dict(transports)
        self._rest_seconds = rest_seconds
        self._clock = clock
        self._note = note
        self._lock = threading.Lock()
        self._resting: dict[str, float] = {}
        self._noted: dict[str, str | None] = {}

    def connect(self) -> EndpointsSession:
        """A session with the first server that answers; the error of the first, with the reasons of all, where none does."""
        failed: dict[str, GatewayError] = {}
        for name in self._in_turn():
            try:
                return EndpointsSession(self, name, self.open(name))
            except GatewayError as error:
                if error.disposition is not Disposition.DEFER:
                    raise
                failed[name] = error
        errors = [failed[name] for name in self._transports]
        raise type(errors[0])("; ".join(error.reason for error in errors)) from errors[0]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._transports)

    def open(self, name: str) -> Session:
        """A session with one of the servers; a failure makes it rest."""
        with self.judging(name):
            session = self._transports[name].connect()
        with self._lock:
            self._resting.pop(name, None)
        self._tell(name, None)
        return session

    def rests(self, name: str) -> bool:
        with self._lock:
            return self._resting.get(name, 0.0) > self._clock()

    def is_second_best(self, name: str) -> bool:
        """Whether one that comes before this one may be tried again."""
        before = self.names[: self.names.index(name)]
        return not all(self.rests(each) for each in before)

    @contextmanager
    def judging(self, name: str) -> Iterator[None]:
        """Work with one of the servers: an error of its own makes it rest, and says its name."""
        try:
            yield
        except _NOT_THE_SERVERS:
            raise
        except GatewayError as error:
            if error.disposition is Disposition.DEFER:
                with self._lock:
                    self._resting[name] = self._clock() + self._rest_seconds
            self._tell(name, error)
            raise type(error)(f"{name}: {error.reason}") from error

    def _in_turn(self) -> list[str]:
        """Those that do not rest, then, so that a lane never stands still for that alone, the others."""
        return sorted(self._transports, key=self.rests)

    def _tell(self, name: str, error: GatewayError | None) -> None:
        code = None if error is None else error.code
        with self._lock:
            known = name in self._noted and self._noted[name] == code
            self._noted[name] = code
        if not known:
            self._note(name, error)


class EndpointsSession:
    """A session with the server that answered, and with the others where files are fetched: they are connected to then."""

    def __init__(self, servers: SeveralEndpoints, name: str, session: Session) -> None:
        self._servers = servers
        self.name = name
        self._sessions = {name: session}

    @property
    def trusts_names(self) -> bool:
        """Two servers of a partner may hold out two receipts of one name."""
        return False

    @property
    def alive(self) -> bool:
        """Not where a server that comes before this one may be tried again."""
        there = self.name in self._sessions and all(each.alive for each in self._sessions.values())
        return there and not self._servers.is_second_best(self.name)

    def send(self, parcels: Iterable[Parcel]) -> Iterator[Parcel]:
        with self._servers.judging(self.name):
            yield from self._sessions[self.name].send(parcels)

    def waiting(self) -> list[Remote]:
        """What all servers hold out that can be reached; the error of the first where none can."""
        found: list[Remote] = []
        failed: list[GatewayError] = []
        for name in self._servers.names:
            if name != self.name and self._servers.rests(name):
                continue
            try:
                found += [replace(remote, at=name) for remote in self._listed(name)]
            except GatewayError as error:
                if error.disposition is not Disposition.DEFER:
                    raise
                failed.append(error)
                self._drop(name)
        if not self._sessions:
            raise failed[0]
        return sorted(found, key=lambda remote: remote.name)

    def fetch(self, remote: Remote, target: Path) -> None:
        with self._servers.judging(remote.at):
            self._sessions[remote.at].fetch(remote, target)

    def remove(self, remote: Remote) -> None:
        with self._servers.judging(remote.at):
            self._sessions[remote.at].remove(remote)

    def close(self) -> None:
        for session in self._sessions.values():
            session.close()

    def _listed(self, name: str) -> list[Remote]:
        if name not in self._sessions:
            self._sessions[name] = self._servers.open(name)
        with self._servers.judging(name):
            return self._sessions[name].waiting()

    def _drop(self, name: str) -> None:
        """Without the server that this one is of, the session can send nothing: `alive` has it replaced."""
        session = self._sessions.pop(name, None)
        if session is not None:
            session.close()
