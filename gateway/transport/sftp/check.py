"""Try a partner's link without leaving anything there: log in, look at the drop directory, ask for room, try the whole round.

Raises what a connection raises.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from gateway.errors import GatewayError, RemoteDiskFull, RemoteRefused
from gateway.transport.sftp.client import SftpTransport
from gateway.transport.sftp.connection import shown_host_key
from gateway.transport.sftp.trial import LIST, REMOVE, TIDY, Retries, Step, StepOutcome, Tell, whole_round

LOG_IN: Final = "log in"
DIRECTORY: Final = "directory"
_AFTERWARDS: Final = (REMOVE, TIDY)
"""Of the trial alone: no lane removes what it sent."""


@dataclass(frozen=True)
class LinkReport:
    """What a trial of the link showed; `seconds` for logging in and for one answer, `free_bytes` None where unsaid."""

    server_version: str
    host_key: str
    cipher: str
    connect_seconds: float
    answer_seconds: float
    directory: str
    directory_found: bool
    free_bytes: int | None
    steps: tuple[Step, ...]

    @property
    def failed(self) -> Step | None:
        """Why work with the partner would fail. What the server says of directory and room counts where nothing was written:
        some say it of every directory.
        """
        found = next(
            (each for each in self.steps if each.outcome is StepOutcome.FAILED and each.name not in _AFTERWARDS), None
        )
        if found is not None or any(step.name == "write" for step in self.worked):
            return found
        if not self.directory_found:
            return Step.failed(DIRECTORY, RemoteRefused("the partner's server finds no such directory"))
        if self.free_bytes == 0:
            return Step.failed("free", RemoteDiskFull())
        return None

    @property
    def verdict(self) -> str | None:
        """What would fail, by which step and why, without a full stop; None where nothing would."""
        failed = self.failed
        if failed is None:
            return None
        what = "collecting" if failed.name == LIST else "an upload"
        return f"{what} would fail: {failed.name}: {failed.reason.removesuffix('.')}"

    @property
    def left_behind(self) -> Step | None:
        """The step that says what could not be removed there."""
        return next((step for step in self.steps if step.name == TIDY and step.outcome is StepOutcome.FAILED), None)

    @property
    def worked(self) -> list[Step]:
        return [step for step in self.steps if step.outcome in (StepOutcome.WORKED, StepOutcome.ADAPTED)]

    @property
    def untried(self) -> list[Step]:
        return [step for step in self.steps if step.outcome is StepOutcome.UNTRIED]

    @property
    def usable(self) -> bool:
        """Whether a lane may be expected to succeed; where not, `failed` has the reason."""
        return self.failed is None


def check_link(
    transport: SftpTransport,
    token: str,
    *,
    collects: bool = False,
    clock: Callable[[], float] = time.monotonic,
    tell: Tell = lambda _step: None,
) -> LinkReport:
    """Connect, ask, try, disconnect. `token` makes names that nobody else has; `collects` is for a partner that holds out
    files to us; `tell` is told of each step as it is made. Raises the Defer or Hold that says why there is no connection.
    """
    retries = Retries(transport.habits)
    while True:
        try:
            return _try_link(transport, token, retries, tell, collects=collects, clock=clock)
        except GatewayError as error:
            if not retries.again(error):
                raise


def _try_link(
    transport: SftpTransport, token: str, retries: Retries, tell: Tell, *, collects: bool, clock: Callable[[], float]
) -> LinkReport:
    begun = clock()
    session = transport.connect()
    try:
        connected = clock()
        tell(Step(LOG_IN, StepOutcome.WORKED, f"{connected - begun:.2f} s"))
        look = session.look()
        answered = clock()
        tell(Step(DIRECTORY, StepOutcome.WORKED if look.found else StepOutcome.FAILED, _printable(look.directory)))
        connection = session.connection
        version, host_key, cipher = connection.remote_version, shown_host_key(connection).fingerprint, session.cipher
        return LinkReport(
            server_version=_printable(version),
            host_key=host_key,
            cipher=cipher,
            connect_seconds=connected - begun,
            answer_seconds=(answered - connected) / look.answers,
            directory=_printable(look.directory),
            directory_found=look.found,
            free_bytes=look.free_bytes,
            steps=whole_round(transport, session, token, retries, tell, collects=collects),
        )
    finally:
        session.close()


def _printable(text: str) -> str:
    """Words of a server, safe to show on a terminal."""
    return "".join(character if character.isprintable() else "?" for character in text)[:200]
