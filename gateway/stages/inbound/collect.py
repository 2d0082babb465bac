"""Collect: what lies complete in the landing directories becomes landed consignments and receipts.

A file is first copied out of the partner's reach (into `sealed/in/PARTNER/arrivals`), made durable and hashed there, since
a program that has the landed file open could write to it after a rename. Then it is recorded. It gets its second name, in
`sealed/in/PARTNER`, before the transaction of its row, and loses the first one after the commit; a crash in between, or a failing ledger, leaves
an arrival that the next step takes again. Only `ID.pgp` and `ID.receipt.pgp` are accepted; other names are quarantined.
Unfinished files, and debris of other programs (`[spool] passed_over`), are left to their writers for a day. From a partner that
sent more than `day_bytes` within a day nothing is taken until that is a day ago.

A file that was renamed from NAME.part is taken at once. Most clients do not do that: they write under the last name, and
look at the file once more when they have written it. Such a file is taken when nobody has it open for writing and it has
not changed for three seconds.

Long because the order in which a landed file is judged, copied, kept, named and recorded is one promise.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from gateway.domain.identity import is_id
from gateway.domain.states import Direction, State
from gateway.errors import ConsignmentAltered, DiskFailed, DiskFull, GatewayError, LandingUnexpected
from gateway.ledger.queries import consignments, receipts
from gateway.ledger.store import Connection, Transaction
from gateway.ledger.tables import CONSIGNMENTS, RECEIPTS
from gateway.ledger.units import Consignment, Receipt
from gateway.spool.names import safe_name
from gateway.spool.passed_over import PassedOver
from gateway.stages.arrivals import ARRIVALS, Arrivals
from gateway.stages.context import BATCH, StageContext, Step
from gateway.stages.day_take import DayTake
from gateway.stages.kept_files import let_go, sealed_file
from gateway.stages.landing import COPYING, UNFINISHED, LandingUploads
from gateway.stages.quarantine import Measured, locking_away, measure, quarantine_file
from gateway.storage.durable import disk_error, fsync_directory
from gateway.storage.named_first import naming
from gateway.storage.payloads import KeptFile
from gateway.storage.writers import Writers, writers_of

_PART_DAYS: Final = 1.0
_QUIET_SECONDS: Final = 3.0
"""How long a client may take, after its last byte, to set times and to look at the file: some round trips."""

_PIECE: Final = 1 << 20
_READ_LATER: Final = (State.LANDED, State.OPENED, State.HELD)
"""States in which a consignment's sealed file is needed."""


class _Refused(NamedTuple):
    """An arrival that is to be locked away, and why."""

    path: Path
    measured: Measured | None
    stem: str
    error: GatewayError


@dataclass
class _Names:
    """Arrivals that have a second name, those of them that it was given now, and those that a row speaks of."""

    there: set[Path] = field(default_factory=set)
    given: set[Path] = field(default_factory=set)
    used: set[Path] = field(default_factory=set)


class Collect:
    """Files in the landing directories to landed consignments and receipts, one partner after the other."""

    name = "collect"

    def __init__(self, context: StageContext, uploads: LandingUploads | None = None) -> None:
        self._context = context
        self._passed_over = PassedOver(context.settings.spool.passed_over)
        self._uploads = uploads or LandingUploads()
        self._day = DayTake(context)
        self._due: float | None = None
        self._arrivals = Arrivals(context)

    def step(self) -> Step:
        done = 0
        self._arrivals.bring()
        self._due = self._arrivals.due
        for partner in self._context.settings.partners:
            try:
                done += self._collect(partner)
            # One partner's directory must not stop the others; the next step tries again.
            except OSError as error:
                self._context.say_deferred(disk_error(error, f"landing of {partner}"), partner=partner)
            except (DiskFull, DiskFailed) as error:
                self._context.say_deferred(error, partner=partner)
        return Step(done=done, due=self._due)

    def close(self) -> None:
        pass

    def _collect(self, partner: str) -> int:
        context = self._context
        arrivals = context.home.sealed_in / partner / ARRIVALS
        landing = context.home.landing_in(partner)
        if not landing.is_dir():
            return 0
        taken = 0  # without what is still being written
        for path in self._complete(landing, arrivals):
            if (again := self._day.full_until(partner)) is not None:
                self._due = again if self._due is None else min(self._due, again)
                break
            arrivals.mkdir(mode=0o770, parents=True, exist_ok=True)
            finished = self._uploads.is_finished(path)
            if _take(path, arrivals / path.name, arrivals.with_name(COPYING), finished=finished):
                self._uploads.forget(path)
                self._day.add(partner, (arrivals / path.name).lstat().st_size)
                taken += 1
            if taken == BATCH:
                break
        if not arrivals.is_dir():
            return taken
        found = [(path, measure(path)) for path in sorted(arrivals.iterdir())[:BATCH]]
        if not found:
            return 0
        named = {path: measured for path, measured in found if measured is not None and _kind(path) is not None}
        if partner in context.elsewhere:
            self._arrivals.pass_on(KeptFile(path, measured.sha256) for path, measured in named.items())
            others = [_unexpected(path, measured) for path, measured in found if path not in named]
            self._lock_away(partner, others)
            return taken
        context.payloads.keep(
            {arrivals.with_name(path.name): measured.sha256 for path, measured in named.items()},
            {arrivals.with_name(path.name): path for path in named},
        )
        refused: list[_Refused] = []
        with naming(arrivals.parent):
            names = _Names()
            try:
                self._name(partner, named, names)
                with context.ledger.write() as transaction:
                    done = sum(
                        self._record(transaction, partner, path, measured, names, refused) for path, measured in found
                    )
            except (GatewayError, OSError):
                with suppress(GatewayError, OSError):  # what came before is the error to tell
                    self._take_back(partner, named, names.given)
                raise
            self._take_back(partner, named, names.given - names.used)
        self._lock_away(partner, refused)
        return done

    def _name(self, partner: str, arrivals: Mapping[Path, Measured], names: _Names) -> None:
        """Give arrivals the names under which they are read, durably, where the ledger will want them there."""
        with self._context.ledger.read() as connection:
            wanted = [path for path, each in arrivals.items() if self._needs_name(connection, partner, path, each)]
        for path in wanted:
            kept = self._kept(partner, path)
            if not (kept.exists() and kept.samefile(path)):
                kept.unlink(missing_ok=True)  # of an attempt without a commit
                kept.hardlink_to(path)
                names.given.add(path)
        names.there.update(wanted)
        if wanted:
            fsync_directory(self._context.home.sealed_in / partner)

    def _needs_name(self, connection: Connection, partner: str, path: Path, measured: Measured) -> bool:
        kept = self._kept(partner, path)
        if _kind(path) is Receipt:
            # Another of that name is still being read, and this one waits until that has gone.
            return not self._lies_elsewhere(connection, partner, path, measured) and (
                not kept.exists() or kept.samefile(path)
            )
        known = consignments.consignment_in(connection, partner, _stem(path))
        if known is None:
            return True
        return known.sealed_sha256 == measured.sha256 and known.state == State.LANDED and not kept.exists()

    def _lies_elsewhere(self, connection: Connection, partner: str, path: Path, measured: Measured) -> bool:
        """Whether another node has recorded another receipt of that name, which is still to be read."""
        waiting = receipts.receipts_of(connection, Direction.IN, partner, _stem(path), State.LANDED)
        return self._context.lanes is not None and any(row.sealed_sha256 != measured.sha256 for row in waiting)

    def _take_back(self, partner: str, arrivals: Mapping[Path, Measured], given: Collection[Path]) -> None:
        """Remove the names that got no row."""
        if not given:
            return
        with self._context.ledger.read() as connection:
            lost = [path for path in given if not _is_spoken_of(connection, partner, path, arrivals[path].sha256)]
        for path in lost:
            self._kept(partner, path).unlink(missing_ok=True)

    def _kept(self, partner: str, arrival: Path) -> Path:
        return self._context.home.sealed_in / partner / arrival.name

    def _complete(self, landing: Path, arrivals: Path) -> Iterator[Path]:
        limit = self._context.clock() - _PART_DAYS * 86400
        for path in sorted(landing.iterdir()):
            try:
                about = path.lstat()
            except FileNotFoundError:
                continue  # the partner has just renamed it to its final name, which wakes the role again
            if path.name.endswith(UNFINISHED) or self._is_debris(path.name, about):
                # Not the time of modification: a client may copy that from its own file.
                if stat.S_ISREG(about.st_mode) and about.st_ctime < limit:
                    path.unlink()
            # Where an arrival of that name is still there, it comes first.
            elif not os.path.lexists(arrivals / path.name) and not self._may_change(path, about):
                yield path

    def _is_debris(self, name: str, about: os.stat_result) -> bool:
        """Whether a program left it behind. A link, a pipe or a device is no debris, and is quarantined."""
        return (stat.S_ISREG(about.st_mode) or stat.S_ISDIR(about.st_mode)) and self._passed_over(name)

    def _may_change(self, path: Path, about: os.stat_result) -> bool:
        """Whether the writer of a file that has its last name may not be done; then the moment to look again is noted."""
        now = self._context.clock()
        if self._uploads.is_finished(path) or not self._uploads.is_direct(path) or not stat.S_ISREG(about.st_mode):
            return False
        if abs(now - about.st_ctime) >= _QUIET_SECONDS:  # a clock that was put back holds nothing up
            return False
        due = about.st_ctime + _QUIET_SECONDS
        self._due = due if self._due is None else min(self._due, due)
        return True

    def _record(
        self,
        transaction: Transaction,
        partner: str,
        path: Path,
        measured: Measured | None,
        names: _Names,
        refused: list[_Refused],
    ) -> bool:
        """Record an arrival, or have it `refused`; False where it has to wait."""
        stem, kind = _stem(path), _kind(path)
        if measured is None or kind is None:
            refused.append(_unexpected(path, measured))
        elif kind is Receipt:
            return self._receipt(transaction, partner, path, stem, measured, names)
        elif not self._consignment(transaction, partner, path, stem, measured, names):
            refused.append(_Refused(path, measured, stem, ConsignmentAltered()))
        return True

    def _consignment(
        self, transaction: Transaction, partner: str, path: Path, stem: str, measured: Measured, names: _Names
    ) -> bool:
        """Record it; False where it has other bytes than one of its name had."""
        known = consignments.consignment_in(transaction.connection, partner, stem)
        if known is None:
            event = transaction.record(
                "consignment.landed", "consignment", stem, partner, bytes=measured.size, sha256=measured.sha256
            )
            row = {
                "id": stem,
                "direction": str(Direction.IN),
                "partner": partner,
                "state": str(State.LANDED),
                "sealed_size": measured.size,
                "sealed_sha256": measured.sha256,
                "event": event,
            }
            transaction.insert(CONSIGNMENTS, [row])
        elif known.sealed_sha256 != measured.sha256:
            return False
        elif known.state != State.LANDED or path not in names.there:
            if known.state not in _READ_LATER:
                let_go(transaction, self._context.payloads, sealed_file(self._context.home, known))
            self._answer_again(transaction, partner, stem)
        self._keep(transaction, path, names)
        return True

    def _answer_again(self, transaction: Transaction, partner: str, stem: str) -> None:
        """The same bytes came again: the partner has not seen our receipt, if there is one already."""
        event = transaction.record("consignment.repeated", "consignment", stem, partner)
        sent = receipts.receipts_of(transaction.connection, Direction.OUT, partner, stem, State.SENT)
        changes = [{"key": row.key, "state": State.ISSUED, "due": 0.0, "event": event} for row in sent]
        transaction.move(RECEIPTS, Direction.OUT, State.SENT, changes)

    def _receipt(
        self, transaction: Transaction, partner: str, path: Path, stem: str, measured: Measured, names: _Names
    ) -> bool:
        if path not in names.there or self._lies_elsewhere(transaction.connection, partner, path, measured):
            return False
        waiting = receipts.receipts_of(transaction.connection, Direction.IN, partner, stem, State.LANDED)
        event = transaction.record("receipt.landed", "receipt", stem, partner, bytes=measured.size)
        if not waiting:
            row = {
                "direction": str(Direction.IN),
                "partner": partner,
                "consignment": stem,
                "state": str(State.LANDED),
                "sealed_size": measured.size,
                "sealed_sha256": measured.sha256,
                "event": event,
            }
            transaction.insert(RECEIPTS, [row])
        self._keep(transaction, path, names)
        return True

    def _keep(self, transaction: Transaction, arrival: Path, names: _Names) -> None:
        """The arrival is done with; it is read under its second name, as far as it is to be read."""
        names.used.add(arrival)
        self._arrivals.remove(transaction, arrival)

    def _lock_away(self, partner: str, refused: Sequence[_Refused]) -> None:
        if not refused:
            return
        context = self._context
        found = [(each.path, each.measured) for each in refused]
        with locking_away(context, found) as ready, context.ledger.write() as transaction:
            for each, named in zip(refused, ready, strict=True):
                quarantine_file(
                    context,
                    transaction,
                    named,
                    kind="consignment",
                    stem=safe_name(each.stem),
                    partner=partner,
                    error=each.error,
                )
                self._arrivals.remove(transaction, each.path)


def _is_spoken_of(connection: Connection, partner: str, arrival: Path, sha256: str) -> bool:
    """Whether a row wants the arrival's second name."""
    if _kind(arrival) is Receipt:
        waiting = receipts.receipts_of(connection, Direction.IN, partner, _stem(arrival), State.LANDED)
        return any(row.sealed_sha256 == sha256 for row in waiting)
    known = consignments.consignment_in(connection, partner, _stem(arrival))
    return known is not None and known.sealed_sha256 == sha256 and known.state in _READ_LATER


def _unexpected(path: Path, measured: Measured | None) -> _Refused:
    return _Refused(path, measured, _stem(path), LandingUnexpected())


def _stem(path: Path) -> str:
    return path.name.partition(".")[0]


def _kind(path: Path) -> type[Consignment | Receipt] | None:
    """What a file says by its name that it is."""
    stem = _stem(path)
    return {f"{stem}.pgp": Consignment, f"{stem}.receipt.pgp": Receipt}.get(path.name) if is_id(stem) else None


def _take(landed: Path, arrival: Path, copy: Path, *, finished: bool) -> bool:
    """Copy a landed file, durably, and remove it. What is no regular file is moved as it is, to be refused.

    False for one that is not known to be finished and that somebody has open for writing: it stays where it is, and
    closing it wakes the role.
    """
    try:
        source = _opened(landed)
    except OSError as error:
        if error.errno not in (errno.ELOOP, errno.ENXIO):
            raise
        landed.rename(arrival)
        return True
    if not stat.S_ISREG(os.fstat(source).st_mode):
        os.close(source)
        landed.rename(arrival)
        return True
    if not finished and writers_of(source) is Writers.SOME:
        os.close(source)
        return False
    try:
        with os.fdopen(source, "rb") as file, copy.open("wb") as target:
            shutil.copyfileobj(file, target, _PIECE)
            target.flush()
            os.fsync(target.fileno())
    except OSError:
        copy.unlink(missing_ok=True)  # half a copy on a full disk would stop the ledger too
        raise
    copy.rename(arrival)
    fsync_directory(arrival.parent)
    landed.unlink()
    return True


def _opened(landed: Path) -> int:
    """A descriptor to read from, also where the partner's client created the file with a mode that shuts us out."""
    flags = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        return os.open(landed, os.O_RDONLY | flags)
    except PermissionError:
        entry = os.open(landed, os.O_PATH | flags)
        try:
            if stat.S_ISREG(os.fstat(entry).st_mode):
                Path(f"/proc/self/fd/{entry}").chmod(0o600)
        finally:
            os.close(entry)
        return os.open(landed, os.O_RDONLY | flags)
