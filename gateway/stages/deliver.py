"""Deliver: what came out of a consignment is validated again, and put before the back office, whole and once.

Where its flow asks for that, a file is shown to the virus scanner first, and locked away if it is infected: the rest of
its consignment goes on, and the sender is told in the receipt.

Publication is one rename that never overwrites; a file whose source is gone was published by an earlier attempt. The
row says `delivered` only once the rename is durable, and the consignment is answered in the transaction that ends its
last transfer.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from gateway.errors import ContentInvalid, FileInfected, FileNameRefused, GatewayError
from gateway.ledger import queries, turns
from gateway.ledger.store import Transaction
from gateway.ledger.tables import CONSIGNMENTS, TRANSFERS
from gateway.settings.model import SiteKind
from gateway.settings.naming import MARKER, expand
from gateway.spool.durable import make_directory
from gateway.spool.marking import mark
from gateway.spool.names import beside, check_name, has_room, safe_name
from gateway.spool.publication import Moment, Placement, publish
from gateway.stages.acknowledge import issue, pass_on, spoken
from gateway.stages.inspection import Batches, inspect, invalid, record_crash, record_move, wrong_authority
from gateway.stages.scanning import Scanner, isolate, scan
from gateway.stages.workplace import BATCH, Step, Workplace
from gateway.transfer.states import TRANSFER_IN, Direction, State, advance
from gateway.validation.contract import Report
from gateway.validation.sandbox import Crash, Sandbox

Verdict = State | GatewayError | Crash


class Deliver:
    """Opened to delivered, rejected or held; and opened consignments to delivered."""

    name = "deliver"

    def __init__(self, place: Workplace, sandbox: Sandbox, scanner: Scanner | None = None) -> None:
        self._place = place
        self._sandbox = sandbox
        self._scanner = scanner
        self._survived: set[int] = set()
        self._batches = Batches(place.settings.daemon.workers)

    def step(self) -> Step:
        place = self._place
        with place.ledger.read() as connection:
            waiting = turns.due(connection, TRANSFERS, Direction.IN, State.OPENED, place.clock(), BATCH)
            rows = self._batches.next(waiting)
            complete = [] if rows else queries.completed_consignments(connection, BATCH)
            due = queries.next_due(connection, TRANSFERS, Direction.IN, [State.OPENED])
        if not rows and not complete:
            return Step(due=due)
        facts: dict[int, Mapping[str, str]] = {}
        verdicts = self._inspect(rows, facts)
        good = [row for row, verdict in verdicts if verdict is State.DELIVERED]
        names = {row.key: row.placed or self._name(row) for row in good}
        if facts:
            # Before publication: once the file has gone, nobody reads it again, and its name may not be chosen anew.
            with place.ledger.write() as transaction:
                transaction.note_facts(facts)
                transaction.note_places(names)
        names |= self._publish(good, names)
        with place.ledger.write() as transaction:
            changes = [self._judge(transaction, row, verdict, names.get(row.key)) for row, verdict in verdicts]
            transaction.move(TRANSFERS, Direction.IN, State.OPENED, [change for change in changes if change])
            for consignment in queries.completed_consignments(transaction.connection, BATCH):
                self._complete(transaction, consignment)
        self._survived.clear()
        return Step(done=len(rows) + len(complete))

    def close(self) -> None:
        pass

    def _inspect(self, rows: list[Row[Any]], facts: dict[int, Mapping[str, str]]) -> list[tuple[Row[Any], Verdict]]:
        """Each row with its verdict; `facts` collects what the good files tell."""
        verdicts: list[tuple[Row[Any], Verdict]] = []
        present: list[tuple[Row[Any], Path]] = []
        for row in rows:
            path = self._unpacked(row)
            if path.exists():
                present.append((row, path))
            else:
                # Only publication takes a file away from here, and only after it was found good.
                verdicts.append((row, State.DELIVERED))
        scanned = scan(self._place, self._scanner, [row for row, _ in present], [path for _, path in present])
        verdicts += scanned.refused
        reports = inspect(
            self._place,
            self._sandbox,
            [row for row, _ in scanned.clean],
            [path for _, path in scanned.clean],
            self._survived,
        )
        for row, report in reports:
            verdict = self._verdict(row, report)
            verdicts.append((row, verdict))
            if verdict is State.DELIVERED and isinstance(report, Report):
                facts[row.key] = report.facts
        return verdicts

    def _unpacked(self, row: Row[Any]) -> Path:
        return self._place.home.opened / str(row.consignment) / f"{row.position:04d}"

    def _verdict(self, row: Row[Any], report: Report | GatewayError | Crash) -> Verdict:
        if not isinstance(report, Report):
            return report
        try:
            check_name(row.name)
        except FileNameRefused as error:
            return error
        at_dwp = self._place.settings.site.kind is SiteKind.DWP
        report = wrong_authority(report, row.partner if at_dwp else self._place.site, self._place.is_same_authority)
        return State.DELIVERED if report.valid else invalid(report)

    def _name(self, row: Row[Any]) -> str:
        """The name that a good file is to be delivered under."""
        flow = self._place.settings.flows[row.flow]
        came = datetime.fromtimestamp(row.created, UTC).date()
        name = expand(flow.inbound_name, name=row.name, transfer=row.id, partner=row.partner, flow=row.flow, day=came)
        # The template may have made it too long; and no file may pass for another one's marker.
        name = safe_name(f"{name}_" if flow.done_marker and name.lower().endswith(MARKER) else name)
        return beside(name, row.id) if flow.done_marker and not has_room(name, len(MARKER)) else name

    def _publish(self, rows: list[Row[Any]], names: Mapping[int, str]) -> dict[int, str]:
        """Put the files before the back office; the names that they have there."""
        placements = []
        directories: dict[tuple[str, str], Path] = {}
        for row in rows:
            if (directory := directories.get((row.flow, row.partner))) is None:
                directory = self._place.home.inbound / row.flow / row.partner
                make_directory(directory, 0o770)
                directories[row.flow, row.partner] = directory
            placements.append(Placement(self._unpacked(row), directory, names[row.key], row.id, row.sha256))
        published = publish(placements)
        flows = self._place.settings.flows
        mark(
            found.path.with_name(found.path.name + MARKER)
            for row, found in zip(rows, published, strict=True)
            if flows[row.flow].done_marker and found.moment is not Moment.COLLECTED
        )
        return {row.key: found.path.name for row, found in zip(rows, published, strict=True)}

    def _judge(
        self, transaction: Transaction, row: Row[Any], verdict: Verdict, placed: str | None
    ) -> dict[str, Any] | None:
        if isinstance(verdict, Crash):
            record_crash(transaction, row, verdict)
            return None
        move = advance(TRANSFER_IN, State.OPENED, verdict)
        if isinstance(verdict, FileInfected):
            isolate(self._place, transaction, row, self._unpacked(row), verdict.reason)
        code = verdict.finding if isinstance(verdict, ContentInvalid) else move.code
        event = record_move(transaction, row, move, code)
        return {
            "key": row.key,
            "state": move.state,
            "resume": move.resume,
            "code": code,
            "reason": move.reason,
            "custody": move.state is State.HELD,
            "placed": placed,
            "event": event,
        }

    def _complete(self, transaction: Transaction, consignment: Row[Any]) -> None:
        home = self._place.home
        event = transaction.record("consignment.delivered", "consignment", consignment.id, consignment.partner)
        change = {"key": consignment.key, "state": State.DELIVERED, "event": event}
        transaction.move(CONSIGNMENTS, Direction.IN, State.OPENED, [change])
        issue(transaction, consignment)
        carried = queries.carried(transaction.connection, Direction.IN, consignment.partner, consignment.id)
        if words := [spoken(row) for row in carried if row.word is not None]:
            pass_on(transaction, consignment, words)  # the back office was quicker than the last file
        transaction.afterwards.append(partial(shutil.rmtree, home.opened / consignment.id, ignore_errors=True))
