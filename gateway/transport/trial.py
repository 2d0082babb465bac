"""The whole round of an upload, tried at a partner: write, make durable, look, rename, look, remove. It leaves nothing there.

Raises nothing but what is no error of a link: each step tells what became of it. The files are named `....part`, before and
after the rename, so that no gateway takes them for anything; and where our account may not remove what it wrote, as in the
landing of another gateway, nothing is written, and the steps say that they were not tried.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.errors import GatewayError, UploadIncomplete, UploadVanished
from gateway.transport.faults import SftpStatus, StatusCode, translate
from gateway.transport.habits import Habit
from gateway.transport.names import PART
from gateway.transport.sftp import SftpSession, SftpTransport
from gateway.transport.sftp_channel import Mode

_CONTENT: Final = b"A trial of the link by a gateway. It may be removed.\n"
_MAY_NOT_REMOVE: Final = "our account may remove nothing there, and a trial leaves nothing behind"
_NOT_REACHED: Final = "an earlier step failed"


class Outcome(StrEnum):
    """What became of a step: `adapted` is work round what the server does otherwise."""

    WORKED = "worked"
    ADAPTED = "adapted"
    FAILED = "failed"
    UNTRIED = "not tried"


@dataclass(frozen=True)
class Step:
    """One step of the round; `code` and `remedy` are those of the error, where it failed."""

    name: str
    outcome: Outcome
    reason: str = ""
    code: str | None = None
    remedy: str | None = None


_Told = tuple[Outcome, str]
_WORKED: Final[_Told] = (Outcome.WORKED, "")


def whole_round(transport: SftpTransport, session: SftpSession, token: str, *, collects: bool) -> tuple[Step, ...]:
    """Try all steps over the session; `token` makes the names ones that nobody has, `collects` is for a partner that holds
    out files to us.
    """
    return tuple(_Round(transport, session, token).steps(collects=collects))


class _Round:
    def __init__(self, transport: SftpTransport, session: SftpSession, token: str) -> None:
        self._transport = transport
        self._session = session
        self._channel = session.channel
        self._first = f"{session.drop}/gateway-trial-{token}{PART}"
        self._second = f"{session.drop}/gateway-trial-{token}.renamed{PART}"
        self._handle = b""
        self._lies: list[str] = []
        self._untried = ""

    def steps(self, *, collects: bool) -> Iterator[Step]:
        rounds: list[tuple[str, Callable[[], _Told]]] = [
            ("missing name", self._missing),
            ("right to remove", self._may_remove),
            ("write", self._write),
            ("fsync", self._fsync),
            ("close", self._close),
            ("look", self._look),
            ("rename", self._rename),
            ("look again", self._look_again),
            ("remove", self._remove),
        ]
        for name, attempt in rounds:
            yield self._tried(name, attempt)
        if self._lies:
            yield self._tidied()
        if collects:
            self._untried = "" if self._session.alive else _NOT_REACHED
            yield self._tried("list", self._list)

    def _tried(self, name: str, attempt: Callable[[], _Told]) -> Step:
        if self._untried:
            return Step(name, Outcome.UNTRIED, self._untried)
        try:
            with self._session.work():
                outcome, reason = attempt()
        except SftpStatus as status:
            error = translate(status)
        except GatewayError as broken:
            error = broken
        else:
            return Step(name, outcome, reason)
        self._untried = _NOT_REACHED
        return Step(name, Outcome.FAILED, error.reason, error.code, error.remedy)

    def _missing(self) -> _Told:
        if self._session.proof.find(self._first).there is None:
            return Outcome.ADAPTED, Habit.UNTOLD
        if Habit.MISSING in self._transport.habits.known:
            return Outcome.ADAPTED, Habit.MISSING
        return _WORKED

    def _may_remove(self) -> _Told:
        """Asked of a name that is not there: a server that permits it says so, or "failure" as some do of anything."""
        try:
            self._channel.remove(self._first)
        except SftpStatus as status:
            if status.code not in (StatusCode.NO_SUCH_FILE, StatusCode.FAILURE):
                self._untried = _MAY_NOT_REMOVE
                return Outcome.UNTRIED, _MAY_NOT_REMOVE
        return _WORKED

    def _write(self) -> _Told:
        self._handle = self._channel.open(self._first, Mode.WRITE | Mode.CREATE | Mode.TRUNCATE)
        self._lies.append(self._first)
        self._channel.done(self._channel.submit_write(self._handle, 0, _CONTENT), "write")
        return _WORKED

    def _fsync(self) -> _Told:
        if not self._channel.offers("fsync@openssh.com"):
            return Outcome.UNTRIED, "the server does not offer it"
        return _WORKED if self._channel.fsync(self._handle) else (Outcome.ADAPTED, Habit.FSYNC)

    def _close(self) -> _Told:
        self._channel.close_handle(self._handle)
        return _WORKED

    def _look(self) -> _Told:
        found = self._session.proof.find(self._first)
        if found.there is False:
            self._lies.clear()
            raise UploadVanished
        size = self._session.proof.length(self._first) if found.size is None else found.size
        if size is None:
            return Outcome.ADAPTED, Habit.NO_SIZE
        if size != len(_CONTENT):
            raise UploadIncomplete
        return _WORKED if found.size is not None else (Outcome.ADAPTED, Habit.SIZE)

    def _rename(self) -> _Told:
        self._lies.append(self._second)
        self._channel.rename(self._first, self._second)
        self._lies.remove(self._first)
        return _WORKED

    def _look_again(self) -> _Told:
        if self._session.proof.find(self._second).there is False:
            self._lies.clear()
            self._untried = "it is gone already"
            return Outcome.ADAPTED, "the server takes files away as soon as they have their name: that is its right"
        return _WORKED

    def _remove(self) -> _Told:
        self._channel.remove(self._second)
        self._lies.clear()
        return _WORKED

    def _list(self) -> _Told:
        self._channel.list(self._session.collect)
        return _WORKED

    def _tidied(self) -> Step:
        """Whether what an earlier step left could be removed, over a new connection where the old one broke."""
        session = self._session
        with suppress(GatewayError):
            if not session.alive:
                session = self._transport.connect()
            for path in list(self._lies):
                with suppress(SftpStatus), session.work():
                    self._take_away(session, path)
        if session is not self._session:
            session.close()
        if not self._lies:
            return Step("tidy", Outcome.WORKED)
        names = ", ".join(path.rpartition("/")[2] for path in self._lies)
        return Step("tidy", Outcome.FAILED, f"left there, for the partner to remove: {names}")

    def _take_away(self, session: SftpSession, path: str) -> None:
        try:
            session.channel.remove(path)
        except SftpStatus:
            if session.proof.find(path).there is not False:
                raise
        self._lies.remove(path)
