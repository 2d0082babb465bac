"""The answers that the back office leaves in `outcomes/FLOW/PARTNER/`: finding them, reading them, removing them.

`scan` raises nothing for what somebody can put there: that comes as a Refusal. `read` raises StillBeingWritten where the
file changes under the reader, and FileUnsafe; `remove` and both of them DiskFailed. The tree is hostile ground (see
`tree`). Of an answer's content only a bounded beginning is read. The file of an acceptance is not opened at all, so it need
not be stable.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from gateway.domain.back_office_answer import MAX_BYTES, BackOfficeAnswer, parse_name
from gateway.errors import FileUnsafe, OutcomeName, StillBeingWritten
from gateway.spool.drops import Refusal, fingerprint_of
from gateway.spool.names import is_temporary
from gateway.spool.stability import Key, Readiness, Stability, mark_of
from gateway.spool.tree import STRAY_SETTLE_SECONDS, SpoolTree
from gateway.storage.directory_walk import FILE, is_plain, names, partner_directory
from gateway.storage.durable import DISK, Disk, disk_error
from gateway.storage.writers import Writers, writers_of


@dataclass(frozen=True, slots=True)
class AnswerFile:
    """A finished answer: which file it lies in, which name it is about."""

    flow: str
    partner: str
    name: str
    subject: str
    answer: BackOfficeAnswer
    size: int
    mtime_ns: int
    device: int
    inode: int

    @property
    def fingerprint(self) -> str:
        """Tells whether a file that still lies there after a crash is the one that was taken before it."""
        return fingerprint_of(self.inode, self.size, self.mtime_ns)


class BackOfficeAnswers:
    """The tree `outcomes/FLOW/PARTNER/`, held open; to be used by one thread.

    `settle_seconds` are those of each flow, `passed_over` says which names are nobody's answer, at every level.
    """

    def __init__(
        self,
        root: Path,
        settle_seconds: Mapping[str, float],
        stability: Stability,
        disk: Disk = DISK,
        passed_over: Callable[[str], bool] = is_temporary,
    ) -> None:
        self._passed_over = passed_over
        self._tree = SpoolTree(root, passed_over, self._is_quiet)
        self._settle_seconds = settle_seconds
        self._stability = stability
        self._disk = disk
        self.unsettled = 0
        """How many entries the last scan passed over because they may not be finished yet."""

    def close(self) -> None:
        self._tree.close()

    def scan(self) -> Iterator[AnswerFile | Refusal]:
        """Everything that can be acted on now. Lazy: stop when there is enough for a batch."""
        self.unsettled = 0
        yield from self._tree.scan(self._look_through)
        self._stability.prune()

    def _look_through(self, directory: int, flow: str, partner: str) -> Iterator[AnswerFile | Refusal]:
        for name in names(directory):
            # An answer about a file of such a name is an answer still.
            if not (is_temporary(name) if parse_name(name) else self._passed_over(name)):
                yield from self._judge(directory, (flow, partner, name))

    def _judge(self, directory: int, key: Key) -> Iterator[AnswerFile | Refusal]:
        flow, partner, name = key
        about = parse_name(name)
        with suppress(FileNotFoundError):
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            plain = is_plain(status)
            at_once = plain and about is not None and about[1] is BackOfficeAnswer.ACCEPTED
            if not at_once and not self._is_quiet(key, status):
                return
            if about is None or not plain:
                yield Refusal(flow, partner, name, OutcomeName() if plain else FileUnsafe())
                return
            subject, answer = about
            identity = (status.st_size, status.st_mtime_ns, status.st_dev, status.st_ino)
            yield AnswerFile(flow, partner, name, subject, answer, *identity)

    def _is_quiet(self, key: Key, status: os.stat_result) -> bool:
        settle_seconds = min(self._settle_seconds.get(key[0], STRAY_SETTLE_SECONDS), STRAY_SETTLE_SECONDS)
        quiet = self._stability.look(key, mark_of(status), settle_seconds) is not Readiness.GROWING
        self.unsettled += not quiet
        return quiet

    def read(self, file: AnswerFile) -> bytes:
        """The beginning of what the file holds, at most MAX_BYTES."""
        try:
            with partner_directory(self._tree.root, file.flow, file.partner) as directory:
                descriptor = os.open(file.name, FILE, dir_fd=directory)
            try:
                if not is_plain(os.fstat(descriptor)):
                    raise FileUnsafe
                content = os.read(descriptor, MAX_BYTES)
                if writers_of(descriptor) is Writers.SOME or not _is_same(os.fstat(descriptor), file):
                    raise StillBeingWritten
                return content
            finally:
                os.close(descriptor)
        except FileNotFoundError as error:
            raise StillBeingWritten("The file was taken away before it could be read.") from error
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO, errno.ENOTDIR):
                raise FileUnsafe from error
            raise disk_error(error, "reading a back office's answer") from error

    def remove(self, file: AnswerFile) -> None:
        """Remove an answer that was taken; another file that has taken its name stays."""
        try:
            with partner_directory(self._tree.root, file.flow, file.partner) as directory:
                if _is_same(os.stat(file.name, dir_fd=directory, follow_symlinks=False), file):
                    self._disk.unlink(file.name, dir_fd=directory)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise disk_error(error, "removing a back office's answer") from error
        self._stability.forget((file.flow, file.partner, file.name))


def _is_same(status: os.stat_result, file: AnswerFile) -> bool:
    found = fingerprint_of(status.st_ino, status.st_size, status.st_mtime_ns)
    return is_plain(status) and (found, status.st_dev) == (file.fingerprint, file.device)
