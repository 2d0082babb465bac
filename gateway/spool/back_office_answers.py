"""The words that the back office leaves in `outcomes/FLOW/PARTNER/`: finding them, reading them, removing them.

`scan` raises nothing for what somebody can put there: that comes as a Refusal. `read` raises StillBeingWritten where the
file changes under the reader, and FileUnsafe; `remove` and both of them DiskFailed. The tree is hostile ground, and is
walked as `intake` walks the outbound one. Of a word's content only a bounded beginning is ever read; an accepted one is
not opened at all, and so needs no time to settle.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gateway.domain.back_office_answer import MAX_BYTES, Word, spoken_about
from gateway.errors import FileUnsafe, FlowNotPermitted, GatewayError, OutcomeName, StillBeingWritten
from gateway.spool.drops import Refusal, fingerprint_of
from gateway.spool.names import is_temporary
from gateway.spool.stability import Readiness, Stability, mark_of
from gateway.storage.directory_walk import FILE, is_plain, names, opened, partner_directory
from gateway.storage.durable import DISK, Disk, disk_error
from gateway.storage.writers import Writers, writers_of

_LONGEST_SETTLE: Final = 5.0
"""Seconds of quiet after which a reason is read, and anything else refused; less where the flow's files settle sooner."""
_EXPLANATION: Final = "README"


@dataclass(frozen=True, slots=True)
class AnswerFile:
    """A finished word: which file it lies in, which name it is about."""

    flow: str
    partner: str
    name: str
    subject: str
    word: Word
    size: int
    mtime_ns: int
    device: int
    inode: int

    @property
    def fingerprint(self) -> str:
        """Tells whether a file that still lies there after a crash is the one that was heard before it."""
        return fingerprint_of(self.inode, self.size, self.mtime_ns)


class Outcomes:
    """The tree `outcomes/FLOW/PARTNER/`, held open; to be used by one thread.

    `settle` is seconds by flow, `passed_over` says which names are nobody's word, at every level.
    """

    def __init__(
        self,
        root: Path,
        settle: Mapping[str, float],
        settling: Stability,
        disk: Disk = DISK,
        passed_over: Callable[[str], bool] = is_temporary,
    ) -> None:
        self._passed_over = passed_over
        self._settle = settle
        self._settling = settling
        self._disk = disk
        self.unsettled = 0
        """How many entries the last scan passed over because they may not be finished yet."""
        try:
            self._root = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise disk_error(error, "opening spool/outcomes") from error

    def close(self) -> None:
        if self._root >= 0:
            os.close(self._root)
            self._root = -1

    def scan(self) -> Iterator[AnswerFile | Refusal]:
        """Everything that can be acted on now. Lazy: stop when there is enough for a batch."""
        self.unsettled = 0
        try:
            for flow in names(self._root):
                if self._passed_over(flow):
                    continue
                with opened(self._root, flow) as directory:
                    if directory is None:
                        yield from self._stray(self._root, ("", "", flow))
                        continue
                    for partner in names(directory):
                        if self._passed_over(partner):
                            continue
                        yield from self._scan_partner(directory, flow, partner)
        except OSError as error:
            raise disk_error(error, "looking through spool/outcomes") from error
        self._settling.prune()

    def _scan_partner(self, parent: int, flow: str, partner: str) -> Iterator[AnswerFile | Refusal]:
        try:
            with opened(parent, partner) as directory:
                if directory is None:
                    yield from self._stray(parent, (flow, "", partner))
                    return
                for name in names(directory):
                    # A word about a file of such a name is a word still.
                    if not (is_temporary(name) if spoken_about(name) else self._passed_over(name)):
                        yield from self._judge(directory, (flow, partner, name))
        except OSError as error:
            yield Refusal(flow, "", partner, disk_error(error, "looking through a partner's directory"))

    def _judge(self, directory: int, key: tuple[str, str, str]) -> Iterator[AnswerFile | Refusal]:
        flow, partner, name = key
        about = spoken_about(name)
        with suppress(FileNotFoundError):
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            plain = is_plain(status)
            at_once = plain and about is not None and about[1] is Word.ACCEPTED
            if not at_once and not self._is_quiet(key, status):
                return
            if about is None or not plain:
                yield Refusal(flow, partner, name, OutcomeName() if plain else FileUnsafe())
                return
            subject, word = about
            file = (status.st_size, status.st_mtime_ns, status.st_dev, status.st_ino)
            yield AnswerFile(flow, partner, name, subject, word, *file)

    def _stray(self, directory: int, key: tuple[str, str, str]) -> Iterator[Refusal]:
        """What lies where only directories belong."""
        name = key[2]
        if name.startswith(_EXPLANATION):
            return
        with suppress(FileNotFoundError):
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
            if self._is_quiet(key, status):
                error: GatewayError = FileUnsafe()
                if is_plain(status):
                    error = FlowNotPermitted("It does not lie in a directory FLOW/PARTNER.")
                yield Refusal(*key, error)

    def _is_quiet(self, key: tuple[str, str, str], status: os.stat_result) -> bool:
        settle = min(self._settle.get(key[0], _LONGEST_SETTLE), _LONGEST_SETTLE)
        quiet = self._settling.look(key, mark_of(status), settle) is not Readiness.GROWING
        self.unsettled += not quiet
        return quiet

    def read(self, spoken: AnswerFile) -> bytes:
        """The beginning of what the file holds, at most MAX_BYTES."""
        try:
            with partner_directory(self._root, spoken.flow, spoken.partner) as directory:
                descriptor = os.open(spoken.name, FILE, dir_fd=directory)
            try:
                if not is_plain(os.fstat(descriptor)):
                    raise FileUnsafe
                content = os.read(descriptor, MAX_BYTES)
                if writers_of(descriptor) is Writers.SOME or not _is_same(os.fstat(descriptor), spoken):
                    raise StillBeingWritten
                return content
            finally:
                os.close(descriptor)
        except FileNotFoundError as error:
            raise StillBeingWritten("The file was taken away before it could be read.") from error
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO, errno.ENOTDIR):
                raise FileUnsafe from error
            raise disk_error(error, "reading a back office's word") from error

    def remove(self, spoken: AnswerFile) -> None:
        """Remove a word that was heard; another file that has taken its name stays."""
        try:
            with partner_directory(self._root, spoken.flow, spoken.partner) as directory:
                if _is_same(os.stat(spoken.name, dir_fd=directory, follow_symlinks=False), spoken):
                    self._disk.unlink(spoken.name, dir_fd=directory)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise disk_error(error, "removing a back office's word") from error
        self._settling.forget((spoken.flow, spoken.partner, spoken.name))


def _is_same(status: os.stat_result, spoken: AnswerFile) -> bool:
    return is_plain(status) and (status.st_size, status.st_mtime_ns, status.st_dev, status.st_ino) == (
        spoken.size,
        spoken.mtime_ns,
        spoken.device,
        spoken.inode,
    )
