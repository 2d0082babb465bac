"""Dropped files after they were taken: set aside in `.taken` until it is certain that nobody wrote on.

Whoever opened a dropped file before it was taken goes on writing to it wherever it lies, and sees no error. So it is
not removed at once but renamed to `outbound/FLOW/PARTNER/.taken/TRANSFER`, beside where it lay, so that the rename never
crosses file systems. There it is looked at again:

- where the kernel says that nobody has it open for writing, and it is as it was, it goes, from a second after it was
  set aside: by then nobody can be in the middle of opening it by its old name;
- where the kernel cannot tell (`writers`), it goes after `keep_seconds` without a change;
- what has changed is a `LateWrite`, told at once and again when it has been quiet for the settle time and nobody has it
  open: then it is whole, and can be given back.

`put` raises OSError; `recover` and `look` raise DiskFull and DiskFailed. To be used by one thread.
"""

from __future__ import annotations

import errno
import heapq
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

from gateway.errors import DiskFailed, DiskFull
from gateway.spool.names import second_name
from gateway.spool.stability import Key, Mark, mark_of
from gateway.storage.digest import rest_digest
from gateway.storage.directory_walk import DIRECTORY, FILE, names, open_partner_directory, opened
from gateway.storage.durable import DISK, Disk, disk_error
from gateway.storage.writers import Writers, keeps_others_out, writers_of

TAKEN: Final = ".taken"
_FIRST_LOOK: Final = 1.0
_LAST_PAUSE: Final = 300.0
_MODE: Final = 0o770
"""As far as the umask lets it: operators may look where they dropped, in a site whose roles have accounts of their own."""


@dataclass(frozen=True, slots=True)
class LateWrite:
    """A file that was written to after it was taken, and where it lies; `whole` once nobody writes to it any more."""

    flow: str
    partner: str
    transfer: str
    path: Path
    whole: bool


@dataclass(slots=True)
class _Kept:
    """A file in `.taken`: what it was when it was set aside (None: something else than what was taken), and since when."""

    flow: str
    partner: str
    transfer: str
    taken: Mark | None
    since: float
    seen: Mark
    changed: float


class SetAside:
    """The `.taken` directories below `outbound`. `settle_seconds` are those of each flow, `steady` gives seconds that never jump."""

    def __init__(
        self,
        outbound: Path,
        settle_seconds: Mapping[str, float],
        keep_seconds: float,
        steady: Callable[[], float],
        disk: Disk = DISK,
        writers: Callable[[int], Writers] = writers_of,
    ) -> None:
        self._outbound = outbound
        self._settle_seconds = settle_seconds
        self._keep_seconds = keep_seconds
        self._steady = steady
        self._disk = disk
        self._writers = writers
        self._due: list[tuple[float, str, _Kept]] = []
        self._changing: list[_Kept] = []
        self.faults: list[DiskFull | DiskFailed] = []
        """What the last `look` could not look at; it is looked at again."""

    def put(self, directory: int, key: Key, transfer: str, inode: int) -> bool:
        """Set the file `key` of the open partner's directory aside; False where another file than `inode` has its name.

        Durable once the directory is synced. FileNotFoundError where the file is gone.
        """
        flow, partner, name = key
        try:
            below = os.open(TAKEN, DIRECTORY, dir_fd=directory)
        except FileNotFoundError:
            with suppress(FileExistsError):
                self._disk.mkdir(TAKEN, _MODE, dir_fd=directory)
            below = os.open(TAKEN, DIRECTORY, dir_fd=directory)
        try:
            self._disk.rename(name, transfer, src_dir_fd=directory, dst_dir_fd=below)
            status = os.stat(transfer, dir_fd=below, follow_symlinks=False)
            if status.st_ino != inode:
                self._put_back(below, transfer, directory, name)
                return False
        finally:
            os.close(below)
        mark, now = mark_of(status), self._steady()
        self._keep(_Kept(flow, partner, transfer, mark, now, mark, now), now + _FIRST_LOOK)
        return True

    def recover(self, digests: Callable[[str, list[str]], Mapping[str, str]]) -> None:
        """After a restart: what lies there is looked at from now on. `digests` gives the SHA-256 of a partner's transfers by id."""
        for flow, partner, directory in self._directories():
            found = names(directory)
            known = digests(partner, found)
            for transfer in found:
                self._recover(directory, (flow, partner, transfer), known.get(transfer))

    def look(self, *, ending: bool = False) -> list[LateWrite]:
        """Remove what nobody wrote to, and give what was written to. At the `ending` everything is looked at; the next start looks again."""
        now = self._steady()
        wanted, self._changing, self.faults = self._changing, [], []
        while self._due and (ending or self._due[0][0] <= now):
            wanted.append(heapq.heappop(self._due)[2])
        late: list[LateWrite] = []
        for (flow, partner), group in groupby(sorted(wanted, key=_where), key=_where):
            files = list(group)
            try:
                with self._opened(flow, partner) as directory:
                    if directory is not None:
                        for kept in files:
                            late += self._looked_at(directory, kept, now)
            except OSError as error:  # the directory did not open: none of them was looked at
                self.faults.append(disk_error(error, "looking through what was taken"))
                for kept in files:
                    self._keep(kept, now + _LAST_PAUSE)
        return late

    @property
    def due(self) -> float | None:
        """In how many seconds there is something to look at; None where nothing is set aside."""
        if self._changing:
            return _FIRST_LOOK
        return max(self._due[0][0] - self._steady(), 0.0) if self._due else None

    def given_back(self, late: LateWrite) -> None:
        """That file lies with its operator."""
        self._changing = [kept for kept in self._changing if kept.transfer != late.transfer]

    def _keep(self, kept: _Kept, due: float) -> None:
        heapq.heappush(self._due, (due, kept.transfer, kept))

    def _recover(self, directory: int, key: Key, sha256: str | None) -> None:
        flow, partner, transfer = key
        try:
            descriptor = os.open(transfer, FILE, dir_fd=directory)
        except FileNotFoundError:
            return
        except OSError as error:
            raise disk_error(error, "looking at a file that was taken") from error
        with os.fdopen(descriptor, "rb"):
            mark, now = mark_of(os.fstat(descriptor)), self._steady()
            same = rest_digest(descriptor) == sha256
        kept = _Kept(flow, partner, transfer, mark if same else None, now, mark, now)
        if same:
            self._keep(kept, now + _FIRST_LOOK)
        else:
            self._changing.append(kept)

    def _looked_at(self, directory: int, kept: _Kept, now: float) -> list[LateWrite]:
        try:
            return self._look_at(directory, kept, now)
        except FileNotFoundError:
            return []  # somebody has removed it
        except OSError as error:
            self._keep(kept, now + _LAST_PAUSE)
            self.faults.append(disk_error(error, "looking at a file that was taken"))
            return []

    def _look_at(self, directory: int, kept: _Kept, now: float) -> list[LateWrite]:
        mark, writers = self._ask(directory, kept.transfer)
        if mark == kept.taken:
            waited = now - kept.since
            if writers is Writers.NONE or (writers is Writers.UNKNOWN and waited >= self._keep_seconds):
                self._disk.unlink(kept.transfer, dir_fd=directory)
            else:
                left = self._keep_seconds - waited if writers is Writers.UNKNOWN else _LAST_PAUSE
                self._keep(kept, now + max(min(waited, left, _LAST_PAUSE), _FIRST_LOOK))
            return []
        if mark != kept.seen:
            kept.seen, kept.changed = mark, now
        self._changing.append(kept)
        quiet = now - kept.changed >= self._settle_seconds.get(kept.flow, 0.0)
        path = self._outbound / kept.flow / kept.partner / TAKEN / kept.transfer
        return [LateWrite(kept.flow, kept.partner, kept.transfer, path, quiet and writers is not Writers.SOME)]

    def _ask(self, directory: int, name: str) -> tuple[Mark, Writers]:
        """What a file looks like, and who has it open for writing."""
        try:
            descriptor = os.open(name, FILE, dir_fd=directory)
        except OSError as error:
            if keeps_others_out(error):
                return mark_of(os.stat(name, dir_fd=directory, follow_symlinks=False)), Writers.SOME
            raise
        try:
            # In this order: what a writer did before it closed the file is in what the file looks like.
            writers = self._writers(descriptor)
            return mark_of(os.fstat(descriptor)), writers
        finally:
            os.close(descriptor)

    @contextmanager
    def _opened(self, flow: str, partner: str) -> Iterator[int | None]:
        """The partner's `.taken`, open; None where somebody has removed it, and the files with it."""
        with ExitStack() as stack:
            directory: int | None = None
            with suppress(FileNotFoundError):
                root = os.open(self._outbound, DIRECTORY)
                stack.callback(os.close, root)
                above = open_partner_directory(root, flow, partner)
                stack.callback(os.close, above)
                directory = stack.enter_context(opened(above, TAKEN))
            yield directory

    def _directories(self) -> Iterator[tuple[str, str, int]]:
        """Every `.taken` directory, open."""
        try:
            root = os.open(self._outbound, DIRECTORY)
            try:
                for flow in names(root):
                    with opened(root, flow) as above:
                        if above is not None:
                            for partner in names(above):
                                yield from self._directory(above, flow, partner)
            finally:
                os.close(root)
        except OSError as error:
            raise disk_error(error, "looking through what was taken") from error

    def _directory(self, above: int, flow: str, partner: str) -> Iterator[tuple[str, str, int]]:
        with ExitStack() as stack:
            below: int | None = above
            for name in (partner, TAKEN):
                below = None if below is None else stack.enter_context(opened(below, name))
            if below is not None:
                yield flow, partner, below

    def _put_back(self, source: int, transfer: str, target: int, name: str) -> None:
        """Another file took the name meanwhile: it goes back, and nothing is overwritten."""
        for wanted in (name, second_name(name, transfer)):
            try:
                self._disk.link(transfer, wanted, src_dir_fd=source, dst_dir_fd=target, follow_symlinks=False)
            except FileExistsError:
                continue
            except OSError as error:
                if error.errno != errno.EPERM:  # a directory, or a file system without links
                    raise
                self._disk.rename(transfer, wanted, src_dir_fd=source, dst_dir_fd=target)
                return
            self._disk.unlink(transfer, dir_fd=source)
            return
        raise DiskFailed("a file that took another one's name could not be put back: both of its names are taken")


def _where(kept: _Kept) -> tuple[str, str]:
    return kept.flow, kept.partner
