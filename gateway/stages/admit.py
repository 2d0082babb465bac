"""Admit: what operators drop is copied into custody, and from then on the gateway answers for it.

The dropped file goes only after its copy and its row are durable; a crash in between leaves a row whose `origin` tells
which file is still to be removed. What cannot be a submission at all (a link, a directory, a name that cannot be
carried) goes back with the reason and is an event of the chain, but no transfer.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final

from gateway.errors import DiskFailed, Reject, StillBeingWritten
from gateway.ledger import queries
from gateway.ledger.store import Transaction
from gateway.ledger.tables import TRANSFERS
from gateway.spool.custody import orphans
from gateway.spool.durable import Group, fsync_directory
from gateway.spool.intake import Drop, Intake, Refusal, Taken, fingerprint_of
from gateway.stages.giving_back import give_back
from gateway.stages.workplace import BATCH, Step, Workplace
from gateway.transfer.states import Direction, State

_LOOK_AGAIN: Final = 0.25
_HOUR: Final = 3600.0


def record_admitted(place: Workplace, transaction: Transaction, admitted: Iterable[Mapping[str, Any]]) -> None:
    """Rows and events of submitted files whose bytes lie durably in custody.

    Each has `id`, `flow`, `partner`, `name`, `size`, `sha256`, `origin` and `reference`.
    """
    rows = []
    for file in admitted:
        event = transaction.record(
            "transfer.admitted",
            "transfer",
            file["id"],
            file["partner"],
            flow=file["flow"],
            bytes=file["size"],
            sha256=file["sha256"],
            log={"name": file["name"]},
        )
        expires = transaction.now + place.settings.flows[file["flow"]].expires_hours * _HOUR
        rows.append(
            {
                **file,
                "direction": str(Direction.OUT),
                "state": str(State.ADMITTED),
                "expires": expires,
                "event": event,
            }
        )
    transaction.insert(TRANSFERS, rows)


class Admit:
    """The spool's outbound tree into custody."""

    name = "admit"

    def __init__(self, place: Workplace, intake: Intake) -> None:
        self._place = place
        self._intake = intake
        self._stopped = False

    def recover(self) -> None:
        """After a restart: finish what a crash cut short. To be called before the first step."""
        place = self._place
        # Under the write lock: `gateway submit` puts its files into custody under it, before their rows.
        with place.ledger.write() as transaction:
            known = queries.ids_in_custody(transaction.connection)
            unreleased = queries.unreleased(transaction.connection)
            for path in orphans(place.home.custody, known):
                path.unlink(missing_ok=True)
        for row in unreleased:
            dropped = place.home.outbound / row.flow / row.partner / row.name
            if _is_the_same(dropped, row.origin, row.sha256):
                dropped.unlink()
        for directory in {place.home.outbound / row.flow / row.partner for row in unreleased}:
            if directory.is_dir():
                fsync_directory(directory)
        if unreleased:
            with place.ledger.write() as transaction:
                transaction.set(TRANSFERS, [row.key for row in unreleased], origin=None)

    def step(self) -> Step:
        place = self._place
        if not self._has_room():
            return Step(due=place.clock() + 5.0)
        found = list(islice(self._intake.scan(), BATCH))
        drops = [drop for drop in found if isinstance(drop, Drop)]
        for refusal in found:
            if isinstance(refusal, Refusal):
                give_back(place, place.home.outbound, refusal)
        done = self._take(drops)
        again = self._intake.unsettled > 0 or done < len(drops)
        return Step(done=done, due=place.clock() + _LOOK_AGAIN if again else None)

    def close(self) -> None:
        self._intake.close()

    def _take(self, drops: list[Drop]) -> int:
        place = self._place
        if not drops:
            return 0
        taken: list[tuple[Drop, str, Taken]] = []
        with Group(place.home.custody) as group:
            for drop in drops:
                identity = place.new_id()
                limit = place.settings.flows[drop.flow].max_bytes
                try:
                    copy = self._intake.take(drop, place.home.custody, identity, limit, group)
                except StillBeingWritten:
                    continue
                except Reject as error:
                    give_back(place, place.home.outbound, Refusal(drop.flow, drop.partner, drop.name, error))
                    continue
                taken.append((drop, identity, copy))
            group.commit()
        # From here on a failure leaves copies without rows: the next start removes them, the dropped files are still there.
        admitted = [
            {
                "id": identity,
                "flow": drop.flow,
                "partner": drop.partner,
                "name": drop.name,
                "size": copy.size,
                "sha256": copy.sha256,
                "origin": drop.fingerprint,
                "reference": None,
            }
            for drop, identity, copy in taken
        ]
        if admitted:
            with place.ledger.write() as transaction:
                record_admitted(place, transaction, admitted)
        for drop, _, _ in taken:
            self._intake.release(drop)
        # Validation forgets what was to be removed.
        self._intake.keep_released(drop for drop, _, _ in taken)
        return len(taken)

    def _has_room(self) -> bool:
        """Whether intake may go on; says so when that changes."""
        place = self._place
        try:
            about = os.statvfs(place.home.state)
        except OSError as error:
            raise DiskFailed(f"cannot ask for free space: {error.strerror}") from error
        free = about.f_bavail * about.f_frsize
        short = free < place.settings.limits.min_free_bytes or (about.f_files > 0 and about.f_favail < 1000)
        if short != self._stopped:
            self._stopped = short
            place.log("intake.stopped" if short else "intake.resumed", free_bytes=free)
        return not short


def _is_the_same(path: Path, fingerprint: str, sha256: str) -> bool:
    """Whether the file in the spool is the one that was admitted: the fingerprint is a hint, the digest the proof."""
    try:
        about = path.lstat()
        if fingerprint_of(about.st_ino, about.st_size, about.st_mtime_ns) != fingerprint:
            return False
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except FileNotFoundError:
        return False
    except OSError as error:
        raise DiskFailed(f"cannot look at a dropped file: {error.strerror}") from error
