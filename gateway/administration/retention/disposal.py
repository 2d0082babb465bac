"""Get rid of what is over its time: removing files, erasing rows, and certifying what was done.

The chain says it first, then the bytes go. A run may be killed at any point, and the next one goes on: files that are due
still lie there, rows that are due still say what they said, and whatever the chain says is gone and no certificate covers is
removed once more before one does. Each transaction is bounded, so that the roles go on beside it. What an active legal hold
covers is looked up in the transaction that would erase it.

Raises NotPermitted for what this account may not remove, and what the ledger, the disk and the engine raise.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from pathlib import Path, PurePath
from typing import Any, Final

from gateway.administration.access import permitted
from gateway.administration.requests.actors import stage_context
from gateway.administration.retention import asked, last_run
from gateway.administration.retention.certificate import certify, write_missing
from gateway.administration.retention.compaction import Compacted, compact_ledger
from gateway.administration.retention.files import LOCKED, DueFile, as_delivered, due_files, spool_tree
from gateway.administration.retention.plan import Line, kinds_of, lines_of, rules_of, waits
from gateway.domain.decision import Decision
from gateway.domain.identity import to_text
from gateway.domain.retention import Kind, Rule
from gateway.domain.triage import ENDING as TRIAGE
from gateway.domain.triage import tells_of
from gateway.ledger.audit.chain import Watch, silent
from gateway.ledger.queries.legal_holds import Held, held
from gateway.ledger.queries.quarantine import is_kept, is_known
from gateway.ledger.queries.retention import (
    BEGUN,
    SUBJECT,
    erased_receipts,
    has_event,
    is_erased,
    last_certified,
    said_since,
)
from gateway.ledger.retention import ROWS, due, erase, truncate_log
from gateway.ledger.units import Quarantined, Transfer
from gateway.logs import Logger
from gateway.settings.home import Home
from gateway.settings.model import Settings
from gateway.settings.naming import MARKER
from gateway.settings.shared_place import require_shared, shared_directories
from gateway.spool.delivered import remove_delivered
from gateway.spool.exception_lists import ENDING, ExceptionLists, ListKey
from gateway.spool.old_files import OldFile, remove
from gateway.stages.context import StageContext
from gateway.stages.ended_files import areas_of, forget_ended
from gateway.stages.itinerary import Role
from gateway.stages.kept_files import in_evidence, let_go, locked_away
from gateway.storage.durable import fsync_directory

Place = tuple[str, str, str]
"""A kind of files in the spool, a flow, a partner."""

BATCH: Final = 500
"""Rows, or files, of one transaction."""


@dataclass(frozen=True)
class Disposed:
    """What was done: what was due at the start, and the certificate's text and its file; None where nothing was certified.

    `compacted` says what was done about traces in the ledger's free space (`compaction.Compacted`). `emptied` says whether the ledger's -wal could be emptied; where not, somebody reads it, and the next run does it.
    """

    due: tuple[Line, ...]
    certificate: str | None
    file: str | None
    emptied: bool
    compacted: str


def dispose(
    settings: Settings,
    log: Logger,
    decision: Decision,
    clock: Callable[[], float],
    role: str | None = None,
    watch: Watch = silent,
) -> Disposed:
    """Remove and erase everything that is over its time by `clock`, as far as the account of `role` may; None is everything."""
    require_shared(settings, *shared_directories(settings.home))
    with stage_context(settings, log) as found, permitted():
        found.ledger.clock = clock
        run = _Run(replace(found, clock=clock), rules_of(settings, clock()), kinds_of(role), watch)
        with run.context.ledger.read() as connection:
            lines = tuple(lines_of(settings, connection, clock(), run.kinds))
        if any(line.count for line in lines):
            with run.context.ledger.write() as transaction:
                transaction.record(BEGUN, SUBJECT, SUBJECT, **decision.detail)
        begun = [] if role == Role.INSPECT else asked.begin(run.context, is_due=run.has_work(lines))
        run.remove_files()
        run.erase_rows()
        text, file, compacted = None, None, Compacted.LATER
        if role != Role.INSPECT:
            run.remove_receipts()
            forget_ended(run.context, areas_of(run.home, None))
            watch("compacting the ledger", 0)
            compacted = compact_ledger(run.context)
            certified = certify(run.context, compacted)
            write_missing(run.context)
            text, file = certified if certified is not None else (None, None)
            asked.finish(run.context, begun, "disposed" if text is not None else "nothing was over its time")
            last_run.note(run.home.run, clock())
        with run.context.ledger.read() as connection:
            emptied = truncate_log(connection)
    return Disposed(lines, text, None if file is None else str(file), emptied, str(compacted))


class _Run:
    """One run, with the rules of its moment."""

    def __init__(
        self, context: StageContext, rules: Mapping[Kind, Rule], kinds: tuple[Kind, ...], watch: Watch
    ) -> None:
        self.context, self.rules, self.kinds, self.watch = context, rules, kinds, watch
        self.lists = ExceptionLists(context.home.exceptions, context.payloads)

    @property
    def home(self) -> Home:
        return self.context.home

    def has_work(self, lines: Iterable[Line]) -> bool:
        """Whether this run will have something to certify: what is due, or what another account's run has done before."""
        if any(line.count for line in lines):
            return True
        with self.context.ledger.read() as connection:
            return any(said.event != BEGUN for said in said_since(connection, last_certified(connection)))

    # -- files

    def remove_files(self) -> None:
        """Say of each file that is due that it goes, and remove it."""
        with self.context.ledger.read() as connection:
            holds = held(connection)
            due = [each for each in due_files(self.home, connection, self.rules, holds, self.kinds) if not each.held]
            told = {
                (said.detail["kind_of"][0], said.subject, said.partner or ""): float(said.detail["until"][0])
                for said in said_since(connection, last_certified(connection))
                if said.event == "spool.disposed"
            }
        for kind, files in groupby(sorted(due, key=lambda each: each.kind), lambda each: each.kind):
            self.watch(str(kind), 0)
            if kind in (Kind.DELIVERED, Kind.UNANSWERED):
                waiting = list(files)
                for start in range(0, len(waiting), BATCH):
                    self._remove_delivered(waiting[start : start + BATCH])
                    self.watch(str(kind), start)
            elif kind in LOCKED:
                for each in files:
                    self._remove_quarantined(each)
            else:
                for (flow, partner), some in groupby(files, lambda each: (each.flow, each.partner)):
                    self._remove_from_spool(kind, flow or "", partner, list(some), told, holds)
        if Kind.TRANSFERS in self.kinds:
            self._remove_lists()
        if Kind.QUARANTINED in self.kinds:
            self._remove_discarded(self.home.quarantine.glob("*.sealed"))
        if Kind.INFECTED in self.kinds:
            self._remove_discarded(self.home.infected.glob("*"))

    def _remove_delivered(self, files: Sequence[DueFile]) -> None:
        gone: list[Transfer] = []
        with self.context.ledger.write() as transaction:
            holds = held(transaction.connection)
            for file in files:
                row = file.unit
                assert isinstance(row, Transfer)  # noqa: S101 - what `due_delivered` gives
                if holds.covers(row.partner, row.id, row.consignment):
                    continue
                gone.append(row)
                if not has_event(transaction.connection, "transfer.disposed", row.id, row.partner):
                    why = {"flow": row.flow, "bytes": row.size, **self._why(file)}
                    transaction.note("transfer.disposed", "transfer", row.id, row.partner, why)
        for row in gone:
            self._remove_list_beside(row)
            remove_delivered(self.home.inbound, as_delivered(row), MARKER)

    def _remove_list_beside(self, row: Transfer) -> None:
        """What lies beside a delivered file, where it is that: the list of exceptions, and what triage said."""
        beside = self.home.inbound / row.flow / row.partner / f"{row.delivered_name}{ENDING}"
        listed = self.lists.read(ListKey("in", row.partner, row.id))
        if listed is not None and beside.is_file() and not beside.is_symlink() and beside.read_bytes() == listed:
            beside.unlink(missing_ok=True)
        told = beside.with_name(f"{PurePath(row.delivered_name or '').name}{TRIAGE}")
        if told.is_file() and not told.is_symlink() and tells_of(told.read_bytes()) == row.id:
            told.unlink(missing_ok=True)

    def _remove_quarantined(self, file: DueFile) -> None:
        row = file.unit
        assert isinstance(row, Quarantined)  # noqa: S101 - what `due_quarantined` gives
        kept = locked_away(self.home, row)
        with self.context.ledger.write() as transaction:
            if held(transaction.connection).covers(row.partner, row.id, row.consignment):
                return
            transaction.record(
                "quarantine.disposed", "quarantine", row.id, row.partner, bytes=row.size, **self._why(file)
            )
            transaction.discard(row.id)
            let_go(transaction, self.context.payloads, kept)
            transaction.afterwards.append(partial(shutil.rmtree, kept.path.with_suffix(".folder"), ignore_errors=True))

    def _remove_discarded(self, found: Iterable[Path]) -> None:
        """What a crash left of files whose row says that they are gone. What has no row may be about to get one, or goes when its role starts."""
        ids = {path: path.name.removesuffix(".sealed") for path in found}
        with self.context.ledger.read() as connection:
            gone = [path for path, each in ids.items() if is_known(connection, each) and not is_kept(connection, each)]
        for path in gone:
            path.unlink(missing_ok=True)

    def _remove_from_spool(
        self, kind: Kind, flow: str, partner: str, files: list[DueFile], told: Mapping[Place, float], holds: Held
    ) -> None:
        """Old files of one directory. Where an earlier run was killed here, its event has counted those that were due by then."""
        counted = told.get((str(kind), flow, partner), 0.0)
        fresh = [each for each in files if each.since > counted]
        with self.context.ledger.write() as transaction:
            if held(transaction.connection) != holds:
                return  # somebody has placed or ended a hold meanwhile: the next run knows what it keeps
            if fresh:
                transaction.record(
                    "spool.disposed",
                    "spool",
                    flow,
                    partner,
                    flow=flow,
                    count=len(fresh),
                    bytes=sum(each.size for each in fresh),
                    newest=[to_text(max(each.since for each in fresh))[:10]],
                    until=[self.rules[kind].until],
                    **self._why(min(fresh, key=lambda each: each.since)),
                )
        root = self.home.spool.joinpath(*spool_tree(self.home, kind))
        remove(root, flow, partner, [each.unit for each in files if isinstance(each.unit, OldFile)])

    def _why(self, file: DueFile) -> dict[str, Any]:
        """The rule that a file goes by, and the day since which it lay there."""
        return {"rule": [str(self.rules[file.kind])], "kind_of": [str(file.kind)], "made": [to_text(file.since)[:10]]}

    # -- rows

    def erase_rows(self) -> None:
        """Erase what may name people, some hundreds of rows in a transaction."""
        for kind in ROWS:
            after: int | str | None = None
            done = 0
            while kind in self.kinds:
                waiting = self._waiting(after) if kind is Kind.TRANSFERS else frozenset()
                with self.context.ledger.write() as transaction:
                    gone, after = erase(transaction, self.rules[kind], after, BATCH, waiting)
                    for each in gone if kind is Kind.TRANSFERS else ():
                        key = ListKey(each.direction or "", each.partner or "", str(each.subject))
                        transaction.afterwards.append(partial(self.lists.forget, key))
                done += len(gone)
                self.watch(str(kind), done)
                if after is None:
                    break

    def _waiting(self, after: int | str | None) -> frozenset[int | str]:
        """Those of the next transfers whose delivered file still lies in spool/inbound: it may be large, and is read out of any
        transaction.
        """
        with self.context.ledger.read() as connection:
            found = list(due(connection, self.rules[Kind.TRANSFERS], after, BATCH))
        return frozenset(each.key for each in found if waits(self.home, each))

    # -- files of rows that are erased

    def _remove_lists(self) -> None:
        """Lists of exceptions of transfers that were erased before, and whose run was killed then."""
        with self.context.ledger.read() as connection:
            for key in self.lists.kept():
                if is_erased(connection, *key):
                    self.lists.forget(key)

    def remove_receipts(self) -> None:
        """The kept receipts whose text was erased since the last certificate: so none covers what is still there."""
        touched: set[Path] = set()
        with self.context.ledger.read() as connection:
            for said in said_since(connection, last_certified(connection)):
                if said.event != "receipt.erased" or said.partner is None:
                    continue
                for row in erased_receipts(connection, said.partner, said.subject):
                    file = in_evidence(self.home, row)
                    self.context.payloads.forget(*file)
                    touched.add(file.path.parent)
        for directory in touched:
            if directory.is_dir():
                fsync_directory(directory)
