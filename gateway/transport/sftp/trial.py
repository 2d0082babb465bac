"""The whole round of an upload, tried at a partner: write, make durable, look, rename, look, remove. It leaves nothing there.

A fault of the link is a step's result; nothing else is caught. The steps from write to rename are those of a lane (`upload`), so a
trial finds what a lane finds; a connection that ends is made again as a lane would (`Retries`). The files are named `....part`
before and after the rename, so that no gateway takes them. Where our account may not remove what it wrote, as in the landing of
another gateway, nothing is written, and the steps say that they were not tried.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gateway.errors import ExtensionUnserved, GatewayError, LinkBroken, LinkTimeout
from gateway.transport.faults import SftpStatus, StatusCode, translate
from gateway.transport.names import PART
from gateway.transport.sftp.client import SftpSession, SftpTransport
from gateway.transport.sftp.habits import FSYNC, OFFERS, Habit, Habits
from gateway.transport.sftp.upload import UPLOAD_STEPS

MISSING: Final = "missing name"
MAY_REMOVE: Final = "right to remove"
LOOK_AGAIN: Final = "look again"
REMOVE: Final = "remove"
LIST: Final = "list"
TIDY: Final = "tidy"
_ROUND: Final = (MISSING, MAY_REMOVE, *UPLOAD_STEPS[1:], LOOK_AGAIN, REMOVE)
"""Opening is part of the step `write`."""

_CONTENT: Final = b"A trial of the link by a gateway. It may be removed.\n"
_MAY_NOT_REMOVE: Final = "our account may remove nothing there, and a trial leaves nothing behind"
_NOT_REACHED: Final = "an earlier step failed"
_NOT_OFFERED: Final = "the server does not offer it"
_GONE: Final = "the server takes files away as soon as they have their name: that is its right"
_ENDED: Final = "the connection ended there, and the next try went through"
_DONE_UNSAID: Final = "the connection ended there, and the next try found it done"
_REMOVE_IT: Final = "Ask the partner to remove it."


class StepOutcome(StrEnum):
    """What became of a step: `adapted` is work round what the server does otherwise."""

    WORKED = "worked"
    ADAPTED = "worked round"
    FAILED = "failed"
    UNTRIED = "not tried"


@dataclass(frozen=True)
class Step:
    """One step of the round; `code` and `remedy` are those of the error, where it failed."""

    name: str
    outcome: StepOutcome
    reason: str = ""
    code: str | None = None
    remedy: str | None = None

    @classmethod
    def failed(cls, name: str, error: GatewayError) -> Step:
        return cls(name, StepOutcome.FAILED, error.reason, error.code, error.remedy)


_Told = tuple[str, StepOutcome, str]
Tell = Callable[[Step], None]
"""Told of each step as it is made."""


class Retries:
    """After which endings of a connection a trial goes on over a new one: as often as a lane needs to learn which extensions
    are better not asked for, and once after any other, which may have been the line.
    """

    def __init__(self, habits: Habits) -> None:
        self._habits = habits
        self._over_extensions = 2 * len(OFFERS)
        self._others = 1

    def again(self, error: GatewayError) -> bool:
        if not isinstance(error, LinkBroken | LinkTimeout | ExtensionUnserved):
            return False
        if self._over_extensions and (isinstance(error, ExtensionUnserved) or self._habits.suspects):
            self._over_extensions -= 1
            return True
        if self._others and isinstance(error, LinkBroken):
            self._others -= 1
            return True
        return False

    def connect(self, transport: SftpTransport) -> SftpSession:
        """A live session; the Defer or Hold that says why not, after the last try."""
        while True:
            try:
                return transport.connect()
            except GatewayError as error:
                if not self.again(error):
                    raise


def whole_round(
    transport: SftpTransport, session: SftpSession, token: str, retries: Retries, tell: Tell, *, collects: bool
) -> tuple[Step, ...]:
    """Try all steps, over the session as long as it stands; `token` makes the names ones that nobody has, `collects` is for
    a partner that holds out files to us.
    """
    attempt = _Round(transport, session, token, retries, tell)
    try:
        return tuple(attempt.steps(collects=collects))
    finally:
        attempt.close()


class _Round:
    def __init__(
        self, transport: SftpTransport, session: SftpSession, token: str, retries: Retries, tell: Tell
    ) -> None:
        self._transport = transport
        self._given = self._session = session
        self._retries = retries
        self._final = f"{session.drop}/gateway-trial-{token}{PART}"
        self._tell = tell
        self._told: dict[str, Step] = {}
        self._at = MISSING
        self._ended_at: set[str] = set()
        self._lies: set[str] = set()
        self._untried = _NOT_REACHED

    def close(self) -> None:
        """Close what was opened here; the session that was given is its giver's."""
        if self._session is not self._given:
            self._session.close()

    def steps(self, *, collects: bool) -> Iterator[Step]:
        self._go_through(self._round, MISSING)
        for name in _ROUND:
            if name not in self._told:
                self._note(Step(name, StepOutcome.UNTRIED, self._untried))
            yield self._told[name]
        if self._lies:
            self._note(self._tidied())
            yield self._told[TIDY]
        if collects:
            self._go_through(self._list, LIST)
            yield self._told[LIST]

    def _go_through(self, attempt: Callable[[], Iterator[_Told]], first: str) -> None:
        """Note what becomes of the attempt's steps, up to the one that fails; over a new connection where that may help."""
        self._at = first
        while (error := self._fault_of(attempt())) is not None:
            at = self._at
            if self._retries.again(error):
                error = self._reconnected()
                self._ended_at.add(at)
            if error is not None:
                self._note(Step.failed(at, error))
                return

    def _note(self, step: Step) -> None:
        self._told[step.name] = step
        self._tell(step)

    def _reconnected(self) -> GatewayError | None:
        """Go on over a new connection; the error that says why there is none."""
        try:
            session = self._retries.connect(self._transport)
        except GatewayError as error:
            return error
        self.close()
        self._session = session
        return None

    def _fault_of(self, steps: Iterator[_Told]) -> GatewayError | None:
        """What ended the steps before their own end."""
        if not self._session.alive and (error := self._reconnected()) is not None:
            return error
        while True:
            try:
                with self._session.work():
                    told = next(steps, None)
            except SftpStatus as status:
                return translate(status)
            except GatewayError as broken:
                return broken
            if told is None:
                return None
            name, outcome, reason = told
            if outcome is StepOutcome.WORKED and name in self._ended_at:
                outcome, reason = StepOutcome.ADAPTED, _ENDED
            self._note(Step(name, outcome, reason))

    def _round(self) -> Iterator[_Told]:
        """The steps, without what an earlier connection has shown already."""
        if MISSING not in self._told:
            yield self._missing()
        if MAY_REMOVE not in self._told:
            self._at = MAY_REMOVE
            outcome = self._may_remove()
            yield MAY_REMOVE, outcome, "" if outcome is StepOutcome.WORKED else self._untried
            if outcome is StepOutcome.UNTRIED:
                return
        if "rename" not in self._told:
            yield from self._upload()
        self._at = LOOK_AGAIN
        if self._session.proof.find(self._final).there is False:
            self._lies.clear()
            if LOOK_AGAIN not in self._told:
                self._untried = "it is gone already"
                yield LOOK_AGAIN, StepOutcome.ADAPTED, _GONE
                return
            yield REMOVE, StepOutcome.WORKED, ""  # and the answer was lost
            return
        yield LOOK_AGAIN, StepOutcome.WORKED, ""
        self._at = REMOVE
        self._session.channel.remove(self._final)
        self._lies.clear()
        yield REMOVE, StepOutcome.WORKED, ""

    def _missing(self) -> _Told:
        if self._session.proof.find(self._final).there is None:
            return MISSING, StepOutcome.ADAPTED, Habit.UNLISTED
        if Habit.MISSING in self._transport.habits.known:
            return MISSING, StepOutcome.ADAPTED, Habit.MISSING
        return MISSING, StepOutcome.WORKED, ""

    def _may_remove(self) -> StepOutcome:
        """Asked of a name that is not there: a server that permits it says so, or "failure" as some do of anything."""
        try:
            self._session.channel.remove(self._final)
        except SftpStatus as status:
            if status.code not in (StatusCode.NO_SUCH_FILE, StatusCode.FAILURE):
                self._untried = _MAY_NOT_REMOVE
                return StepOutcome.UNTRIED
        return StepOutcome.WORKED

    def _upload(self) -> Iterator[_Told]:
        uploads, offered = self._session.uploads, FSYNC in self._session.channel.extensions
        self._at = "write"
        if self._lies and uploads.is_there(self._final, len(_CONTENT)):
            yield "rename", StepOutcome.ADAPTED, _DONE_UNSAID
            return
        for name, habit in uploads.steps(io.BytesIO(_CONTENT), len(_CONTENT), self._final):
            if name == "open":
                self._lies.update((self._final, self._final + PART))
                continue
            if name == "fsync" and not offered:
                yield name, StepOutcome.UNTRIED, _NOT_OFFERED
            elif habit is not None:
                yield name, StepOutcome.ADAPTED, habit
            else:
                yield name, StepOutcome.WORKED, ""
            self._at = _ROUND[_ROUND.index(name) + 1]
        self._lies.discard(self._final + PART)

    def _list(self) -> Iterator[_Told]:
        self._session.channel.list(self._session.collect)
        yield LIST, StepOutcome.WORKED, ""

    def _tidied(self) -> Step:
        """Whether what an earlier step left could be removed, over a new connection where the old one broke."""
        if self._session.alive or self._reconnected() is None:
            with suppress(GatewayError):
                for path in sorted(self._lies):
                    with suppress(SftpStatus), self._session.work():
                        self._take_away(path)
        if not self._lies:
            return Step(TIDY, StepOutcome.WORKED)
        names = ", ".join(sorted(path.rpartition("/")[2] for path in self._lies))
        return Step(TIDY, StepOutcome.FAILED, f"left there, for the partner to remove: {names}", remedy=_REMOVE_IT)

    def _take_away(self, path: str) -> None:
        try:
            self._session.channel.remove(path)
        except SftpStatus:
            if self._session.proof.find(path).there is not False:
                raise
        self._lies.discard(path)
