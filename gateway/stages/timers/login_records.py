"""Login records: log-ins at the managed SFTP server become events of the chain.

The process that runs sshd counts them and leaves the counts as files (`spool.logins`); one step records what a file says
and removes it. An event has the result of the log-ins, whose key it was where that is known, how many there were, and in
which hour; never a user name or an address. A file that cannot be read is an event too, since its counts are lost.
"""

from __future__ import annotations

import errno
from functools import partial
from pathlib import Path
from typing import Final

from gateway.domain.identity import to_text
from gateway.domain.logins import SUBJECTS, Count, Result
from gateway.ledger.queries.logins import ACCEPTED, KIND, LOST, REFUSED, is_recorded
from gateway.ledger.store import Transaction
from gateway.spool.logins import ENDING, read, waiting
from gateway.stages.context import StageContext, Step
from gateway.storage.durable import disk_error

_FILES: Final = 50
_NO_FILE: Final = (errno.ELOOP, errno.ENXIO)
"""A link, or a socket, where a file should be."""
_LOST: Final = "a count of log-ins cannot be read: it was damaged, or not written by the SFTP server's process"


class LoginRecords:
    """Records the counts in `state/logins`."""

    name = "login-records"

    def __init__(self, context: StageContext) -> None:
        self._context = context

    def step(self) -> Step:
        directory = self._context.home.logins
        names = waiting(directory)[:_FILES]
        if not names:
            return Step()
        counts = {name: _read(directory / name) for name in names}
        with self._context.ledger.write() as transaction:
            for name, count in counts.items():
                _record(transaction, name.removesuffix(ENDING), count)
                transaction.afterwards.append(partial((directory / name).unlink, missing_ok=True))
        return Step(done=len(names))

    def close(self) -> None:
        pass


def _read(path: Path) -> Count | None:
    """What the file has counted; None where it is no such file. Raises DiskFailed where the disk or a right fails."""
    try:
        return read(path)
    except ValueError:
        return None
    except OSError as error:
        if error.errno in _NO_FILE:
            return None
        raise disk_error(error, "reading a count of log-ins") from error


def _record(transaction: Transaction, identity: str, count: Count | None) -> None:
    if count is None:
        subject = f"{SUBJECTS}unreadable/{identity}"
        if not is_recorded(transaction.connection, subject):
            transaction.record(LOST, KIND, subject, reason=_LOST)
        return
    hour = to_text(count.hour)
    subject = f"{SUBJECTS}{hour[:13]}/{identity}"
    if is_recorded(transaction.connection, subject):
        return  # recorded, and then the file could not be removed
    for login, number in count.logins.items():
        accepted = login.result is Result.ACCEPTED
        transaction.record(
            ACCEPTED if accepted else REFUSED,
            KIND,
            subject,
            login.partner,
            code=None if accepted else str(login.result),
            fingerprint=login.fingerprint,
            count=number,
            hour=hour,
        )
