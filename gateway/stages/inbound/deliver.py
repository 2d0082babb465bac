"""Deliver: each file of a consignment is validated again and published to the back office, whole and once.

Where its flow asks for that, a file is shown to the virus scanner first, and locked away if it is infected. The rest of
its consignment goes on, and the receipt names the infected file.

Where its flow allows that, a file with exceptions in some of its records is delivered as `NAME`, with the list of them as
`NAME.exceptions.csv`. A file with records that came before, in other bytes, or too late has NAME.triage.json beside it, and where
nothing else is in it, its flow may have it set aside into `repeats`. What lies beside a file is published before it, and the marker
after both.

Where the site has nodes, the proof of publication is in the ledger. A good file is copied beside its target first (`spool.publication.place`),
and the row says under which name it will appear and whose copy that is. From then on, a copy that is gone was published, whichever node looks. A
file that is not there and has no copy recorded came to a node that lost its lane: the vault opens its consignment again.

The files of a batch are published in the order in which they were sent. Publication is one rename that never overwrites. A file whose source is gone was published by an earlier attempt. The row
says `delivered` only once the rename is durable, and the transaction that ends the consignment's last transfer also issues
its receipt.

Long because the order in which things are written, published and recorded is one promise.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import orjson

from gateway.domain.states import TRANSFER_IN, Direction, State, advance
from gateway.domain.triage import ASIDE, REPEATS
from gateway.domain.triage import ENDING as TRIAGE
from gateway.errors import ContentInvalid, FileInfected, FileNameRefused, GatewayError, StoreFileLost
from gateway.ledger.queries import consignments, deadlines, fair_share, identities
from gateway.ledger.store import Transaction
from gateway.ledger.tables import CONSIGNMENTS, TRANSFERS
from gateway.ledger.units import Consignment, Transfer
from gateway.settings.directories import SHARED
from gateway.settings.model import SiteKind
from gateway.settings.naming import MARKER, expand
from gateway.settings.shared_place import require_shared
from gateway.spool.exception_lists import ENDING as LIST
from gateway.spool.exception_lists import ExceptionLists, ListKey
from gateway.spool.markers import mark
from gateway.spool.names import check_name, has_room, safe_name, second_name
from gateway.spool.publication import Moment, Placement, hidden, place, placed_by, publish
from gateway.stages.context import BATCH, StageContext, Step
from gateway.stages.inspection import (
    COUNTS,
    Inspection,
    Result,
    check_authorities,
    content_error,
    facts_to_keep,
    listed,
    record_crash,
    record_move,
)
from gateway.stages.issued_receipts import add_answers, answer_of, issue
from gateway.stages.lost_files import put_off
from gateway.stages.scanning import Scanner, isolate, isolating
from gateway.stages.triage import Judged, Triage
from gateway.storage.durable import DISK, Disk, make_directory, write_new_file
from gateway.storage.payloads import KeptFile
from gateway.validation.contract import Report
from gateway.validation.sandbox.pool import Crash, Sandbox

Verdict = State | GatewayError | Crash
_LIST_MODE: Final = 0o640
_OPENED_AGAIN: Final = 1.0
"""Seconds after which this looks again for files that the vault is to open again."""


class Deliver:
    """Opened to delivered, rejected or held; and opened consignments to delivered."""

    name = "deliver"

    def __init__(
        self,
        context: StageContext,
        sandbox: Sandbox,
        scanner: Scanner | None = None,
        key: bytes | None = None,
        disk: Disk = DISK,
    ) -> None:
        self._disk = disk
        self._triage = Triage(context, key, Direction.IN)
        self._context = context
        self._inspection = Inspection(context, sandbox, scanner)
        self._lists = ExceptionLists(context.home.exceptions, context.payloads)
        self._has_leftovers = context.node is not None
        """Whether copies of this node's may lie beside their targets that no row speaks of."""

    def step(self) -> Step:
        context = self._context
        if self._has_leftovers and context.node is not None:
            require_shared(context.settings, context.home.inbound)
            self._remove_leftovers(context.node)
        with context.ledger.read() as connection:
            now, stopped = context.clock(), context.stopped
            waiting = fair_share.due(
                connection, Transfer, Direction.IN, State.OPENED, now, BATCH, fair_share.but(stopped)
            )
            rows = self._inspection.choose(waiting)
            complete = [] if rows else consignments.completed(connection, BATCH, context.elsewhere)
            due = deadlines.next_due(connection, Transfer, Direction.IN, [State.OPENED], but=stopped)
        if not rows and not complete:
            return Step(due=due)
        if rows:
            require_shared(context.settings, context.home.inbound)
        reports: dict[int, Report] = {}
        lacking = self._lacking(rows)
        verdicts = self._inspect([row for row in rows if row.key not in lacking], reports)
        if not verdicts and not complete:
            return Step(due=context.clock() + _OPENED_AGAIN)
        good = [row for row, verdict in verdicts if verdict is State.DELIVERED]
        facts = {row.key: facts_to_keep(reports[row.key]) if row.key in reports else _facts(row) for row in good}
        if waits := self._lists_lost(
            [row for row in good if row.key not in reports and "exceptions" in facts[row.key]]
        ):
            verdicts = [(row, verdict) for row, verdict in verdicts if row.key not in waits]
            good = [row for row in good if row.key not in waits]
        listed_rows = [row for row in good if "exceptions" in facts[row.key]]
        self._lists.keep({_list_key(row): listed(reports[row.key]) for row in listed_rows if row.key in reports})
        judged = self._judge_records(good, reports)
        for row in good:
            if row.key in reports:
                facts[row.key] |= self._triage.facts_of(row, judged.get(row.key))
        names = self._names(good, facts)
        papers = self._papers(good, listed_rows, judged)
        placements = self._placements(good, names)
        lost: frozenset[int] = frozenset()
        if reports:
            placements |= self._place({key: placements[key] for key in names if key in reports})
            # Before publication: once the file has gone, nobody reads it again, and its name may not be chosen anew.
            with context.ledger.write() as transaction:
                # What a person has returned meanwhile is not published, and what somebody else has placed is his to publish.
                unpublished = [row for row in good if row.key in reports]
                free = identities.unplaced(transaction.connection, [row.key for row in unpublished])
                lost = frozenset(reports.keys() - free)
                good, listed_rows = ([row for row in each if row.key not in lost] for each in (good, listed_rows))
                names = {key: name for key, name in names.items() if key not in lost}
                transaction.note_facts({key: facts[key] for key in reports if key not in lost})
                self._triage.remember(transaction, {key: each for key, each in judged.items() if key not in lost})
                transaction.note_delivered_names(
                    {key: name for key, name in names.items() if key in reports}, context.copies
                )
        infected = {
            row.key: KeptFile(self._unpacked(row), row.sha256)
            for row, verdict in verdicts
            if isinstance(verdict, FileInfected)
        }
        with isolating(context, infected) as isolated:
            names |= self._publish(good, placements, papers)
            with context.ledger.write() as transaction:
                opened = self._still_opened(transaction, [row for row, _ in verdicts])
                # A published file whose row was moved all the same is a contradiction, and stops the gateway in `move`.
                verdicts = [(row, verdict) for row, verdict in verdicts if row.key in opened or row.key in names]
                changes = [
                    self._judge(
                        transaction, row, verdict, names.get(row.key), facts.get(row.key), isolated.get(row.key, "")
                    )
                    for row, verdict in verdicts
                ]
                transaction.move(TRANSFERS, Direction.IN, State.OPENED, [change for change in changes if change])
                for consignment in consignments.completed(transaction.connection, BATCH, context.elsewhere):
                    self._complete(transaction, consignment)
        self._inspection.moved()
        self._has_leftovers = context.node is not None and bool(lost)
        return Step(done=len(verdicts) + len(complete), due=context.clock() + _OPENED_AGAIN if lacking else None)

    def close(self) -> None:
        pass

    @staticmethod
    def _still_opened(transaction: Transaction, rows: list[Transfer]) -> frozenset[int]:
        return identities.in_state(transaction.connection, Transfer, State.OPENED, [row.key for row in rows])

    def _lacking(self, rows: list[Transfer]) -> frozenset[int]:
        """Those whose files are to be opened again at this node. Their consignments' directories go, and the vault finds that."""
        if self._context.node is None:
            return frozenset()
        lacking = [row for row in rows if row.delivered_name is None and not self._source(row).exists()]
        for consignment in {str(row.consignment) for row in lacking}:
            shutil.rmtree(self._context.home.opened / consignment, ignore_errors=True)
        gone = {row.consignment for row in lacking}
        return frozenset(row.key for row in rows if row.delivered_name is None and row.consignment in gone)

    def _lists_lost(self, rows: list[Transfer]) -> frozenset[int]:
        """Of files whose lists were made at another node, put off those whose lists the store has lost."""
        lost = {}
        for row in rows:
            try:
                self._lists.read(_list_key(row))
            except StoreFileLost as error:
                lost[row.key] = error
        if lost:
            with self._context.ledger.write() as transaction:
                opened = self._still_opened(transaction, rows)
                for row in rows:
                    if row.key in lost and row.key in opened:
                        put_off(self._context, transaction, row, lost[row.key])
        return frozenset(lost)

    def _remove_leftovers(self, node: str) -> None:
        """Copies that no row speaks of, of steps that broke off: their transfers are placed anew, here or elsewhere. What an incarnation before this one
        put there is never recorded any more, at whichever machine it was; what a later one did is not this one's.
        """
        lanes = self._context.lanes
        newest = None if lanes is None else lanes.incarnation
        lying = [
            copy for copy in placed_by(self._context.home.inbound, node) if newest is None or copy.incarnation <= newest
        ]
        with self._context.ledger.read() as connection:
            recorded = identities.placed(connection, {copy.tag for copy in lying})
        for copy in lying:
            if (copy.tag, copy.owner) not in recorded:
                copy.path.unlink(missing_ok=True)
        self._has_leftovers = False

    def _inspect(self, rows: list[Transfer], good: dict[int, Report]) -> list[tuple[Transfer, Verdict]]:
        """Each row with its verdict; `good` collects the reports on the good files."""
        verdicts: list[tuple[Transfer, Verdict]] = []
        present: list[tuple[Transfer, Path]] = []
        for row in rows:
            path = self._unpacked(row)
            if row.node is None and path.exists():
                present.append((row, path))
            else:
                # Only publication takes a file away from here, and only after it was found good.
                verdicts.append((row, State.DELIVERED))
        results = self._inspection.results([row for row, _ in present], [path for _, path in present])
        for row, result in results:
            verdict = self._verdict(row, result)
            verdicts.append((row, verdict))
            if verdict is State.DELIVERED and isinstance(result, Report):
                good[row.key] = result
        # Readers are done at different times. What a back office takes in the order of its arrival comes as it was sent.
        return sorted(verdicts, key=lambda each: each[0].key)

    def _source(self, row: Transfer) -> Path:
        """Where the file lies before it is published."""
        if row.node is None or row.delivered_name is None:
            return self._unpacked(row)
        inbound = self._context.home.inbound / row.flow / row.partner
        return hidden((inbound / row.delivered_name).parent, row.id, row.node)

    def _unpacked(self, row: Transfer) -> Path:
        return self._context.home.opened / str(row.consignment) / f"{row.position:04d}"

    def _verdict(self, row: Transfer, result: Result) -> Verdict:
        if not isinstance(result, Report):
            return result
        try:
            check_name(row.name)
        except FileNameRefused as error:
            return error
        context = self._context
        authority = row.partner if context.settings.site.kind is SiteKind.DWP else context.site
        report = check_authorities(context, row, result, authority=authority, sender=row.partner)
        return content_error(context, row, report) or State.DELIVERED

    def _judge_records(self, good: list[Transfer], reports: Mapping[int, Report]) -> dict[int, Judged]:
        files = [(row, reports[row.key]) for row in good if row.key in reports]
        if not any(report.marks for _, report in files):
            return {}
        with self._context.ledger.read() as connection:
            return self._triage.judge(connection, files)

    def _papers(
        self, rows: list[Transfer], listed_rows: list[Transfer], judged: Mapping[int, Judged]
    ) -> dict[int, dict[str, bytes]]:
        """What is to lie beside each file, by its ending."""
        papers: dict[int, dict[str, bytes]] = {}
        for row in listed_rows:
            if (content := self._lists.read(_list_key(row))) is not None:
                papers.setdefault(row.key, {})[LIST] = content
        for row in rows:
            if (each := judged.get(row.key)) is not None and each.records:
                papers.setdefault(row.key, {})[TRIAGE] = each.to_json(row)
        return papers

    def _names(self, rows: list[Transfer], facts: Mapping[int, Mapping[str, str]]) -> dict[int, str]:
        """The names that good files get at delivery. What has something beside it shares neither's name with another."""
        names: dict[int, str] = {}
        given: set[Path] = set()
        for row in rows:
            directory = self._context.home.inbound / row.flow / row.partner
            name = row.delivered_name or self._name(row)
            if row.delivered_name is None:
                told = facts[row.key]
                aside = ASIDE in told and ((directory / REPEATS).is_dir() or not os.path.lexists(directory / REPEATS))
                if aside:
                    directory /= REPEATS
                if endings := [ending for fact, ending in ((COUNTS[0], LIST), ("triaged", TRIAGE)) if fact in told]:
                    wanted = [directory / name, *(directory / f"{name}{ending}" for ending in endings)]
                    taken = any(path in given or os.path.lexists(path) for path in wanted)
                    has_space = all(has_room(name, len(ending)) for ending in endings)
                    name = name if has_space and not taken else second_name(name, row.id)
                if aside:
                    name = f"{REPEATS}/{name}"
            given.add(self._context.home.inbound / row.flow / row.partner / name)
            names[row.key] = name
        return names

    def _name(self, row: Transfer) -> str:
        """The name that a good file gets by its flow's template."""
        flow = self._context.settings.flows[row.flow]
        came = datetime.fromtimestamp(row.created, UTC).date()
        name = expand(flow.inbound_name, name=row.name, transfer=row.id, partner=row.partner, flow=row.flow, day=came)
        # The template may have made it too long; and no file may pass for what lies beside another one, or lie where `repeats` belongs.
        beside = (LIST, TRIAGE, *([MARKER] if flow.done_marker else []))
        name = second_name(name, row.id) if name == REPEATS else name
        name = safe_name(f"{name}_" if name.lower().endswith(beside) else name)
        return second_name(name, row.id) if flow.done_marker and not has_room(name, len(MARKER)) else name

    def _placements(self, rows: list[Transfer], names: Mapping[int, str]) -> dict[int, Placement]:
        """Where the files are and are to be; the directories are made."""
        placements = {}
        made: set[Path] = set()
        for row in rows:
            target = self._context.home.inbound / row.flow / row.partner / names[row.key]
            if target.parent not in made:
                if not os.path.lexists(target.parent):
                    make_directory(target.parent, SHARED)
                    # Whatever the umask: operators and the back office look into `repeats` by their group.
                    target.parent.chmod(SHARED)
                made.add(target.parent)
            placements[row.key] = Placement(self._source(row), target.parent, target.name, row.id, row.sha256)
        return placements

    def _place(self, placements: Mapping[int, Placement]) -> dict[int, Placement]:
        """The same, with copies beside the targets for sources, where the site has nodes."""
        if (owner := self._context.copies) is None:
            return {}
        self._has_leftovers = True
        return dict(zip(placements, place(list(placements.values()), owner, self._disk), strict=True))

    def _publish(
        self, rows: list[Transfer], places: Mapping[int, Placement], papers: Mapping[int, Mapping[str, bytes]]
    ) -> dict[int, str]:
        """Publish the files to the back office, what lies beside each before it; the names that they have there."""
        placements = [places[row.key] for row in rows]
        beforehand: dict[int, list[Path]] = {}
        for row, placement in zip(rows, placements, strict=True):
            if row.key in papers and placement.source.exists():
                beside = {placement.directory / f"{placement.name}{end}": text for end, text in papers[row.key].items()}
                beforehand[row.key] = [path for path, content in beside.items() if _put(path, content)]
        published = publish(placements, self._disk)
        for row, placement, found in zip(rows, placements, published, strict=True):
            if row.key in papers and found.path.name != placement.name and found.moment is not Moment.COLLECTED:
                # Somebody put another file there between the look and the rename: what lies beside it follows the file.
                for ending, content in papers[row.key].items():
                    _put(found.path.with_name(f"{found.path.name}{ending}"), content)
                for path in beforehand.get(row.key, ()):
                    path.unlink(missing_ok=True)
        flows = self._context.settings.flows
        mark(
            found.path.with_name(found.path.name + MARKER)
            for row, found in zip(rows, published, strict=True)
            if flows[row.flow].done_marker and found.moment is not Moment.COLLECTED
        )
        return {
            row.key: str(found.path.relative_to(self._context.home.inbound / row.flow / row.partner))
            for row, found in zip(rows, published, strict=True)
        }

    def _judge(
        self,
        transaction: Transaction,
        row: Transfer,
        verdict: Verdict,
        name: str | None,
        facts: Mapping[str, str] | None,
        isolated: str,
    ) -> dict[str, Any] | None:
        if isinstance(verdict, Crash):
            record_crash(transaction, row, verdict)
            return None
        move = advance(TRANSFER_IN, State.OPENED, verdict)
        if isinstance(verdict, FileInfected):
            isolate(transaction, row, isolated, self._unpacked(row), verdict.reason)
        code = verdict.finding if isinstance(verdict, ContentInvalid) else move.code
        event = record_move(transaction, row, move, code, facts)
        return {
            "key": row.key,
            "state": move.state,
            "resume": move.resume,
            "code": code,
            "reason": move.reason,
            "delivered_name": name,
            "event": event,
        }

    def _complete(self, transaction: Transaction, consignment: Consignment) -> None:
        home = self._context.home
        event = transaction.record("consignment.delivered", "consignment", consignment.id, consignment.partner)
        done = {"state": State.DELIVERED, "code": None, "reason": None, "attempts": 0, "due": 0.0, "event": event}
        transaction.move(CONSIGNMENTS, Direction.IN, State.OPENED, [{"key": consignment.key, **done}])
        issue(transaction, consignment)
        carried = consignments.carried(transaction.connection, Direction.IN, consignment.partner, consignment.id)
        if answers := [answer_of(row) for row in carried if row.is_answered]:
            add_answers(transaction, consignment, answers)  # the back office was quicker than the last file
        transaction.afterwards.append(partial(shutil.rmtree, home.opened / consignment.id, ignore_errors=True))


def _put(target: Path, content: bytes) -> bool:
    """Write a list; False where it lies there already, by an earlier attempt."""
    return write_new_file(target, content, mode=_LIST_MODE)


def _facts(row: Transfer) -> dict[str, str]:
    """What the ledger has of a file that an earlier attempt found good."""
    return orjson.loads(row.facts) if row.facts else {}


def _list_key(row: Transfer) -> ListKey:
    return ListKey(Direction.IN, row.partner, row.id)
