"""Admit: what operators drop is copied into custody, and from then on the gateway answers for it.

The dropped file is set aside only after its copy and its row are durable. A crash in between, or a disk that refuses,
leaves a row whose `spool_file` says which file is still to be set aside, so that it is not taken a second time. What
cannot be a submission at all (a link, a directory, a name that cannot be carried) goes back with the reason: that is an
event of the chain, but no transfer.

Long because files and rows are put right here after every way in which the step between them can break off.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from gateway.domain.retry import is_due
from gateway.domain.states import Direction
from gateway.errors import DiskFailed, DiskFull, LaneLost, LedgerBusy, Reject, StillBeingWritten, StoreUnreachable
from gateway.ledger.queries import custody, identities
from gateway.ledger.tables import TRANSFERS
from gateway.ledger.units import Transfer, required
from gateway.spool.custody import orphans
from gateway.spool.drops import Drop, Refusal, Taken, fingerprint_of
from gateway.spool.intake import Intake
from gateway.spool.names import READY
from gateway.spool.set_aside import SetAside
from gateway.spool.stability import Key
from gateway.stages.admission import record_admitted
from gateway.stages.context import BATCH, StageContext, Step
from gateway.stages.late_writes import LateWrites
from gateway.stages.returns import return_refused
from gateway.storage.digest import file_digest
from gateway.storage.directory_walk import DIRECTORY
from gateway.storage.durable import fsync_directory
from gateway.storage.file_group import Group
from gateway.storage.named_first import nobody_naming
from gateway.storage.payloads import KeptFile

_LOOK_AGAIN: Final = 0.25
_TRY_AGAIN: Final = 30.0
_LOOK_AT_OPEN: Final = 1.0
_OPEN_LONG: Final = 900.0
_SUBMITTING_SECONDS: Final = 5.0


class Admit:
    """Dropped files in spool/outbound to admitted transfers."""

    name = "admit"

    def __init__(self, context: StageContext, intake: Intake, aside: SetAside) -> None:
        self._context = context
        self._intake = intake
        self._aside = aside
        self._stopped = False
        self._unreleased: dict[str, tuple[str, str]] = {}
        """Transfers whose dropped files could not be set aside, and their digests, by the files' fingerprints."""
        self._late_writes = LateWrites(context, aside)
        self._open_long: set[Key] = set()
        """Files of which the log says that somebody has them open."""
        self._in_doubt: Sequence[tuple[Drop, str, Taken]] = ()
        """Copies whose rows were written, or may have been, without what follows them here."""
        self._later: dict[str, float] = {}
        """Until when files are left alone that the disk did not let us read or remove, by fingerprint."""

    def recover(self) -> None:
        """Finish what a crash cut short. To be called before the first step."""
        context = self._context
        # `gateway submit` puts its files into custody before their rows. Where it does not end, the next start does this.
        with suppress(LedgerBusy), nobody_naming(context.home.custody, _SUBMITTING_SECONDS):
            with context.ledger.read() as connection:
                known = custody.ids_in_custody(connection)
            for path in orphans(context.home.custody, known):
                path.unlink(missing_ok=True)
        self._finish_admitted()
        with context.ledger.read() as connection:
            self._aside.recover(partial(identities.digests, connection, Direction.OUT))

    def _look_back(self) -> None:
        """Remove the copies in doubt whose rows never came, and finish what came."""
        # As a writer: a commit of which nothing was heard has ended by then, one way or the other.
        with self._context.ledger.write() as transaction:
            ids = [identity for _, identity, _ in self._in_doubt]
            came = {row.id for row in identities.by_ids(transaction.connection, Direction.OUT, ids)}
        self._remove_copies([each for each in self._in_doubt if each[1] not in came])
        self._finish_admitted()

    def _finish_admitted(self) -> None:
        """Set aside what was taken and recorded before, and say so in its rows."""
        context = self._context
        with context.ledger.read() as connection:
            unreleased = custody.not_set_aside(connection, context.node)
        gone = []
        for row in unreleased:
            dropped = context.home.outbound / row.flow / row.partner / row.name
            fingerprint = required(row.spool_file)
            if not _is_the_same(dropped, fingerprint, row.sha256) or self._set_aside(dropped, row):
                gone.append(fingerprint)
        for directory in {context.home.outbound / row.flow / row.partner for row in unreleased}:
            if directory.is_dir():
                fsync_directory(directory)
        self._forget_spool_files(gone)
        self._in_doubt = ()

    def step(self) -> Step:
        context = self._context
        self._late_writes.look()
        if self._in_doubt:
            self._look_back()
        if not self._has_room():
            return Step(due=context.clock() + 5.0)
        found = list(islice((found for found in self._intake.scan() if not self._is_stuck(found)), BATCH))
        drops = [drop for drop in found if isinstance(drop, Drop)]
        for refusal in found:
            if isinstance(refusal, Refusal):
                return_refused(context, context.home.outbound, refusal)
        fresh = [drop for drop in drops if drop.fingerprint not in self._unreleased]
        self._release_again([drop for drop in drops if drop.fingerprint in self._unreleased])
        done = self._take(fresh)
        self._log_open()
        again = self._intake.unsettled > 0 or done < len(fresh)
        waits = [_LOOK_AGAIN if again else None, self._aside.due]
        wait = min((each for each in waits if each is not None), default=None)
        return Step(done=done, due=None if wait is None else context.clock() + wait)

    def close(self) -> None:
        self._late_writes.look(ending=True)
        self._intake.close()

    def _log_open(self) -> None:
        """Log once for each file that is not taken, since somebody keeps it open."""
        held_open = self._intake.held_open
        self._open_long &= held_open.keys()
        for key, seconds in held_open.items():
            if seconds >= _OPEN_LONG and key not in self._open_long:
                self._open_long.add(key)
                flow, partner, name = key
                self._context.log("spool.held-open", flow=flow, partner=partner, name=name, seconds=round(seconds))

    def _take(self, drops: list[Drop]) -> int:
        context = self._context
        if not drops:
            return 0
        taken: list[tuple[Drop, str, Taken]] = []
        try:
            with Group(context.home.custody) as group:
                for drop in drops:
                    identity = context.new_id()
                    limit = context.settings.flows[drop.flow].max_bytes
                    try:
                        copy = self._intake.take(drop, context.home.custody, identity, limit, group)
                    except StillBeingWritten:
                        self._later[drop.fingerprint] = context.clock() + _LOOK_AT_OPEN
                        continue
                    except DiskFailed as error:
                        # One file that the disk cannot read must not stop the others; a later step tries again.
                        self._leave(drop, error)
                        continue
                    except Reject as error:
                        return_refused(
                            context, context.home.outbound, Refusal(drop.flow, drop.partner, drop.name, error)
                        )
                        continue
                    taken.append((drop, identity, copy))
                group.commit()
            context.payloads.keep({copy.path: copy.sha256 for _, _, copy in taken})
        except (DiskFull, DiskFailed, StoreUnreachable):
            self._remove_copies(taken)
            raise
        # A process that ends here leaves copies without rows. The next start removes them; the dropped files are still there.
        admitted = [
            {
                "id": identity,
                "flow": drop.flow,
                "partner": drop.partner,
                "name": drop.name,
                "size": copy.size,
                "sha256": copy.sha256,
                "spool_file": drop.fingerprint,
                "node": context.node,
                "reference": None,
            }
            for drop, identity, copy in taken
        ]
        if admitted:
            self._in_doubt = taken
            try:
                with context.ledger.write() as transaction:
                    record_admitted(context, transaction, admitted)
            except (LedgerBusy, LaneLost, DiskFull):
                self._in_doubt = ()
                self._remove_copies(taken)  # for certain no row was written
                raise
        gone = self._release([(drop, identity, copy.sha256) for drop, identity, copy in taken])
        self._intake.keep_released(drop for drop, _, _ in taken)
        # A gateway that works alone saves this transaction: its `validate` clears the rows' `spool_file` where the file is gone.
        if context.node is not None:
            self._forget_spool_files(gone)
        self._in_doubt = ()
        return len(taken)

    def _remove_copies(self, taken: Iterable[tuple[Drop, str, Taken]]) -> None:
        """Copies that no row speaks of: if they stayed, they would fill the disk, some with each attempt."""
        for _, _, copy in taken:
            copy.path.unlink(missing_ok=True)
        with suppress(StoreUnreachable, DiskFull, DiskFailed):  # what came before is the error to tell
            self._context.payloads.forget_all(KeptFile(copy.path, copy.sha256) for _, _, copy in taken)

    def _set_aside(self, dropped: Path, row: Transfer) -> bool:
        """Set aside a file that a crash left; False where that failed, and then a step finds it and does not take it again."""
        try:
            directory = os.open(dropped.parent, DIRECTORY)
            try:
                _remove_marker(directory, dropped.name)
                inode = os.stat(dropped.name, dir_fd=directory, follow_symlinks=False).st_ino
                self._aside.put(directory, (row.flow, row.partner, row.name), row.id, inode)
            finally:
                os.close(directory)
        except FileNotFoundError:
            return True
        except OSError:
            self._unreleased[required(row.spool_file)] = row.id, row.sha256
            return False
        return True

    def _is_stuck(self, found: Drop | Refusal) -> bool:
        return isinstance(found, Drop) and not is_due(
            self._later.get(found.fingerprint, 0.0), self._context.clock(), _TRY_AGAIN
        )

    def _leave(self, drop: Drop, error: DiskFailed | DiskFull) -> None:
        """Log what is wrong with one file, and leave it alone for a while."""
        self._later[drop.fingerprint] = self._context.clock() + _TRY_AGAIN
        self._context.say_deferred(error, partner=drop.partner, flow=drop.flow, stage=self.name)

    def _release_again(self, drops: list[Drop]) -> None:
        gone = self._release([(drop, *self._unreleased[drop.fingerprint]) for drop in drops])
        if gone:
            self._intake.keep_released(drop for drop in drops if drop.fingerprint in gone)
            self._forget_spool_files(gone)

    def _release(self, drops: Iterable[tuple[Drop, str, str]]) -> list[str]:
        """Set admitted files aside, each with its transfer's id and digest; the fingerprints of those that are. The others are not taken again."""
        gone: list[str] = []
        replaced: list[str] = []
        for drop, transfer, sha256 in drops:
            try:
                if not self._intake.release(drop, transfer, sha256):
                    replaced.append(drop.fingerprint)
            except (DiskFailed, DiskFull) as error:
                self._unreleased[drop.fingerprint] = transfer, sha256
                self._leave(drop, error)
            else:
                self._unreleased.pop(drop.fingerprint, None)
                gone.append(drop.fingerprint)
        # What lies there now is another file, whatever its attributes say, and is taken by itself.
        self._forget_spool_files(replaced)
        return gone

    def _forget_spool_files(self, fingerprints: list[str]) -> None:
        """Clear the rows' `spool_file`: these dropped files are gone."""
        if fingerprints:
            with self._context.ledger.write() as transaction:
                rows = custody.not_set_aside(transaction.connection, self._context.node)
                keys = [row.key for row in rows if row.spool_file in fingerprints]
                transaction.set(TRANSFERS, keys, spool_file=None)

    def _has_room(self) -> bool:
        """Whether the disk has room for intake; logs when that changes."""
        context = self._context
        try:
            about = os.statvfs(context.home.state)
        except OSError as error:
            raise DiskFailed(f"cannot ask for free space: {error.strerror}") from error
        free = about.f_bavail * about.f_frsize
        short = free < context.settings.limits.min_free_bytes or (about.f_files > 0 and about.f_favail < 1000)
        if short != self._stopped:
            self._stopped = short
            context.log("intake.stopped" if short else "intake.resumed", free_bytes=free)
        return not short


def _remove_marker(directory: int, name: str) -> None:
    """Remove NAME.ready; a name of 250 bytes or more never had one."""
    try:
        os.unlink(name + READY, dir_fd=directory)
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENAMETOOLONG):
            raise


def _is_the_same(path: Path, fingerprint: str, sha256: str) -> bool:
    """Whether the file in the spool is the one that was admitted: the fingerprint is a hint, the digest the proof."""
    try:
        about = path.lstat()
        if fingerprint_of(about.st_ino, about.st_size, about.st_mtime_ns) != fingerprint:
            return False
        return file_digest(path) == sha256
    except FileNotFoundError:
        return False
    except OSError as error:
        raise DiskFailed(f"cannot look at a dropped file: {error.strerror}") from error
