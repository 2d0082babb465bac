"""Taking in what operators drop: finding it, judging what kind of thing it is, and copying it into custody.

`scan` raises nothing for what a person can put in the spool: that comes as a `Refusal`. `take` raises
StillBeingWritten where the file changes under the reader, FileUnsafe, FileEmpty and FileTooLarge for what it found on
opening, DiskFull and DiskFailed for the disk. After an error no copy is left.

The spool is hostile ground (see `tree`): everything is judged again on the open file. A file that somebody has open for writing is not taken, where
the kernel can tell (`writers`). The bytes are *copied*, never moved: whoever opens the dropped file later could write
to it after we had measured it. The digest is that of the bytes that were written to custody. Where the kernel cannot
tell, a file that is admitted only because nothing happened to it for long is read once more. What was taken is set
aside, and removed once it is certain that nobody wrote on (`set_aside`). Long because finding, judging and taking look at
one open directory.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, Self

from gateway.errors import (
    FileUnreadable,
    FileUnsafe,
    FlowNotPermitted,
    GatewayError,
    PartnerUnknown,
    StillBeingWritten,
)
from gateway.spool.custody import custody_file
from gateway.spool.drops import Drop, Refusal, Rule, Taken, drop_fault
from gateway.spool.names import READY, is_temporary
from gateway.spool.set_aside import SetAside
from gateway.spool.stability import Key, Readiness, Stability, mark_of
from gateway.spool.tree import STRAY_SETTLE_SECONDS, SpoolTree
from gateway.storage.digest import copy, rest_digest
from gateway.storage.directory_walk import FILE, is_plain, names, open_partner_directory, partner_directory
from gateway.storage.durable import DISK, Disk, disk_error
from gateway.storage.file_group import Group
from gateway.storage.writers import Writers, keeps_others_out, writers_of

_NEW_FILE: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class Intake:
    """The tree `outbound/FLOW/PARTNER/`, held open; to be used by one thread.

    `rules` says which flows there are, `partners` which partners are configured at all. What lies there for the partners
    in `stopped` is left alone; what was taken goes to `aside`; names that are `passed_over`, at every level, are nobody's
    submission.
    """

    def __init__(
        self,
        outbound: Path,
        rules: Mapping[str, Rule],
        partners: AbstractSet[str],
        stability: Stability,
        aside: SetAside,
        disk: Disk = DISK,
        writers: Callable[[int], Writers] = writers_of,
        stopped: AbstractSet[str] = frozenset(),
        passed_over: Callable[[str], bool] = is_temporary,
    ) -> None:
        self._passed_over = passed_over
        self._tree = SpoolTree(outbound, passed_over, self._is_quiet_stray)
        self._rules = rules
        self._stopped = stopped
        self._partners = partners
        self._stability = stability
        self._aside = aside
        self._disk = disk
        self._writers = writers
        self.unsettled = 0
        """How many files the last scan passed over because they are not finished yet."""
        self.held_open: dict[Key, float] = {}
        """Those of them that would be taken but that somebody has open for writing, and the seconds since that was seen."""
        self._rest: dict[tuple[str, str], Iterator[str]] = {}
        """By flow and partner, the names that scans have listed and not come to."""
        self._entered: tuple[str, str] | None = None
        self._below = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._leave()
        self._tree.close()

    # -- finding

    def scan(self) -> Iterator[Drop | Refusal]:
        """Everything that can be acted on now. Lazy: stop when there is enough for a batch."""
        self.unsettled = 0
        self.held_open = {}
        self._leave()
        yield from self._tree.scan(self._look_through, self._stopped)
        self._stability.prune()

    def _look_through(self, directory: int, flow: str, partner: str) -> Iterator[Drop | Refusal]:
        looked_at = set()
        denial = self._denial(flow, partner)
        for name, marked in self._names(directory, (flow, partner)):
            if name in looked_at or self._passed_over(name):
                continue
            looked_at.add(name)
            found = self._judge(directory, (flow, partner, name), denial, marked=marked)
            if found is not None:
                yield found

    def _names(self, directory: int, place: tuple[str, str]) -> Iterator[tuple[str, bool]]:
        """What a scan that ended with a full batch had not come to, and then what lies in the directory; and whether it has
        a marker.

        A directory of 50,000 files is listed a few times, and not for every batch.
        """
        rest = self._rest.pop(place, None)
        if rest is not None:
            yield from self._in_turn(place, rest, lambda name: _exists(directory, name + READY))
        listed = names(directory)
        marked = {name.removesuffix(READY) for name in listed if name.endswith(READY)}
        yield from self._in_turn(place, iter(listed), marked.__contains__)

    def _in_turn(
        self, place: tuple[str, str], rest: Iterator[str], has_marker: Callable[[str], bool]
    ) -> Iterator[tuple[str, bool]]:
        """The names of `rest`; where the reader stops, what is left is kept for the next scan."""
        self._rest[place] = rest
        for name in rest:
            yield name, has_marker(name)
        del self._rest[place]

    def _denial(self, flow: str, partner: str) -> GatewayError | None:
        rule = self._rules.get(flow)
        if rule is None:
            return FlowNotPermitted("There is no flow of that name.")
        if partner in rule.partners:
            return None
        return FlowNotPermitted() if partner in self._partners else PartnerUnknown()

    def _judge(
        self, directory: int, key: tuple[str, str, str], denial: GatewayError | None, *, marked: bool
    ) -> Drop | Refusal | None:
        flow, partner, name = key
        try:
            status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        except FileNotFoundError:
            return None
        rule = self._rules.get(flow)
        settle_seconds = rule.settle_seconds if rule is not None else STRAY_SETTLE_SECONDS
        plain = is_plain(status)
        readiness = self._stability.look(key, mark_of(status), settle_seconds, marked=marked and plain)
        if readiness is not Readiness.GROWING and plain and self._is_open(directory, name):
            readiness = Readiness.GROWING
            self.held_open[key] = self._stability.held_open(key)
        if readiness is Readiness.GROWING:
            self.unsettled += 1
            return None
        error = denial or drop_fault(name, status, rule.max_bytes if rule is not None else 0)
        if error is not None:
            return Refusal(flow, partner, name, error)
        return Drop(
            flow,
            partner,
            name,
            status.st_size,
            status.st_mtime_ns,
            status.st_ctime_ns,
            status.st_dev,
            status.st_ino,
            readiness,
            marked,
        )

    def _is_open(self, directory: int, name: str) -> bool:
        """Whether somebody has the file open for writing; no, where that cannot be told."""
        try:
            descriptor = os.open(name, FILE, dir_fd=directory)
        except OSError as error:
            return keeps_others_out(error)
        try:
            return self._writers(descriptor) is Writers.SOME
        finally:
            os.close(descriptor)

    def _is_quiet_stray(self, key: Key, status: os.stat_result) -> bool:
        return self._stability.look(key, mark_of(status), STRAY_SETTLE_SECONDS) is not Readiness.GROWING

    def _enter(self, drop: Drop) -> int:
        """The drop's directory, open until another one's is wanted or the next scan begins."""
        directory = (drop.flow, drop.partner)
        if directory != self._entered:
            self._leave()
            self._below = open_partner_directory(self._tree.root, drop.flow, drop.partner)
            self._entered = directory
        return self._below

    def _leave(self) -> None:
        if self._entered is not None:
            os.close(self._below)
            self._entered, self._below = None, -1

    # -- taking

    def take(self, drop: Drop, custody: Path, transfer: str, max_bytes: int, group: Group) -> Taken:
        """Copy a dropped file into custody under the transfer's id.

        The dropped file stays. Commit the group, write the ledger's rows, and only then `release`, and `keep_released`.
        """
        target = custody_file(custody, transfer)
        try:
            with self._file(drop) as source:
                _insist(source, drop, max_bytes)
                descriptor = os.open(target, _NEW_FILE, 0o640)
                try:
                    sha256 = self._copy(source, descriptor, drop)
                except BaseException:
                    os.close(descriptor)
                    self._disk.unlink(target)
                    raise
        except FileNotFoundError as error:
            raise StillBeingWritten("The file was taken away before it could be read.") from error
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENXIO):
                raise FileUnsafe from error
            if error.errno in (errno.EACCES, errno.EPERM):
                raise FileUnreadable from error
            raise disk_error(error, "taking a file into custody") from error
        group.add_file(descriptor)
        group.add_directory(custody)
        return Taken(target, drop.size, sha256)

    def release(self, drop: Drop, transfer: str, sha256: str) -> bool:
        """Set the dropped file aside under the transfer's id, and remove its marker.

        False where another file has taken its name, or it was written to, and that one stays. What changed beside its bytes (its mode, its owner) makes
        no other file: the bytes are compared then, with `sha256` of the copy that was taken.
        """
        try:
            directory = self._enter(drop)
            status = os.stat(drop.name, dir_fd=directory, follow_symlinks=False)
            same = _is_same(status, drop) or _has_same_bytes(directory, drop, status, sha256)
            if same:
                # The marker goes first: alone, it would call the next file of the name complete before it is.
                if drop.marked:
                    with suppress(FileNotFoundError):
                        self._disk.unlink(drop.name + READY, dir_fd=directory)
                same = self._aside.put(directory, (drop.flow, drop.partner, drop.name), transfer, drop.inode)
        except FileNotFoundError:
            same = True
        except OSError as error:
            raise disk_error(error, "setting a file aside in spool/outbound") from error
        self._stability.forget((drop.flow, drop.partner, drop.name))
        return same

    def keep_released(self, drops: Iterable[Drop]) -> None:
        """Make it durable that these were released: before that, a power cut may bring them back."""
        for flow, partner in {(drop.flow, drop.partner) for drop in drops}:
            try:
                with partner_directory(self._tree.root, flow, partner) as directory:
                    self._disk.fsync(directory)
            except FileNotFoundError:
                continue  # somebody has removed the directory, and the files with it
            except OSError as error:
                raise disk_error(error, "removing files from spool/outbound") from error

    def _copy(self, source: int, target: int, drop: Drop) -> str:
        sha256 = copy(source, target, drop.size, self._disk)
        if sha256 is None:
            raise StillBeingWritten
        # Nobody writes now, and the file is as it was judged: so nobody wrote meanwhile.
        writers = self._writers(source)
        if writers is Writers.SOME or not _is_same(os.fstat(source), drop):
            raise StillBeingWritten
        unsure = writers is Writers.UNKNOWN and drop.readiness is Readiness.QUIET
        if unsure and _read_again(source) != sha256:
            raise StillBeingWritten
        return sha256

    @contextmanager
    def _file(self, drop: Drop) -> Iterator[int]:
        descriptor = os.open(drop.name, FILE, dir_fd=self._enter(drop))
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def _exists(directory: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=directory, follow_symlinks=False)
    except OSError:
        return False
    return True


def _is_same(status: os.stat_result, drop: Drop) -> bool:
    return is_plain(status) and (status.st_dev, *mark_of(status)) == (
        drop.device,
        drop.inode,
        drop.size,
        drop.mtime_ns,
        drop.ctime_ns,
    )


def _has_same_bytes(directory: int, drop: Drop, status: os.stat_result, sha256: str) -> bool:
    """Whether it is the file that was taken, with other attributes."""
    if not is_plain(status) or (status.st_dev, status.st_ino, status.st_size) != (drop.device, drop.inode, drop.size):
        return False
    source = os.open(drop.name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    try:
        return rest_digest(source) == sha256
    finally:
        os.close(source)


def _insist(source: int, drop: Drop, max_bytes: int) -> None:
    """The open file is what was judged by its name."""
    status = os.fstat(source)
    fault = drop_fault(drop.name, status, max_bytes)
    if fault is not None:
        raise fault
    if not _is_same(status, drop):
        raise StillBeingWritten


def _read_again(source: int) -> str:
    os.lseek(source, 0, os.SEEK_SET)
    return rest_digest(source)
