"""Send: sealed files go to their partners, each lane by itself, over kept sessions.

A lane works in a thread of a bounded pool (`lanes`), so a partner that stalls keeps one thread and nobody else. Results
come back through a queue, and the role's own thread commits them in groups. Large parcels have a lane of their own to the
same partner, with a pool and a session of its own, so small ones overtake them. A failure is the lane's: the lane waits
with backoff, or is held where a person must decide. Only four failures are the parcel's own, and what lies behind it goes
on: a name that is taken at the partner, since an earlier receipt of that name still lies there; an envelope that the partner
has no more; a file that the site's store has lost; and a large parcel that breaks off, since the small ones may get through. Lanes that collect also fetch what waits
for us at the partner. Long because lanes, their pools and what becomes of their parcels are one loop.
"""

from __future__ import annotations

import queue
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Final

from gateway.domain.identity import to_text
from gateway.domain.retry import is_due
from gateway.domain.states import Direction, State
from gateway.domain.windows import Timetable
from gateway.errors import Disposition, EnvelopeChanged, NameTaken, StoreFileLost
from gateway.ledger import units
from gateway.ledger.queries import fair_share, identities
from gateway.ledger.queries.consignments import carried
from gateway.ledger.queries.deadlines import next_deferred
from gateway.ledger.queries.lanes import all_lanes
from gateway.ledger.store import Connection, Transaction
from gateway.ledger.units import TABLE_OF
from gateway.stages import stuck_lanes
from gateway.stages.attempts import consignment_of
from gateway.stages.clock_guard import receipt_wait
from gateway.stages.context import StageContext, Step
from gateway.stages.kept_files import let_go, sealed_file
from gateway.stages.lanes import Deferred, Ended, LaneWork, Result, Sent, SizeLane, in_one_go, lane_of
from gateway.stages.lost_files import put_off
from gateway.stages.sessions import Sessions
from gateway.stages.taken_names import take_second_name
from gateway.stages.unconfirmed import note_unconfirmed
from gateway.transport.contract import Transport

LARGE_AT_ONCE: Final = 16

_KINDS: Final[tuple[type[units.Parcel], ...]] = (units.Receipt, units.Consignment)
_SHARE: Final = 64
"""How many receipts and how many consignments a lane chooses from: more than it sends in one go."""


class Send:
    """Sealed to sent, all lanes at once. `wake` is called from a lane's thread when a result waits; `note_answering` in each step,
    to record which of their partners' servers answer.
    """

    name = "send"

    def __init__(
        self,
        context: StageContext,
        transports: Mapping[str, Transport],
        wake: Callable[[], None],
        note_answering: Callable[[], None] = lambda: None,
    ) -> None:
        self._context = context
        self._transports = transports
        self._wake = wake
        self._windows = Timetable.of(context.settings)
        self._sessions = Sessions(transports, context.clock)
        self._pools = {
            False: ThreadPoolExecutor(context.settings.link.lanes_at_once, thread_name_prefix="lane"),
            True: ThreadPoolExecutor(LARGE_AT_ONCE, thread_name_prefix="large"),
        }
        self._lane_work = LaneWork(
            context.home, context.payloads, self._sessions, self._put, context.settings.landing_quota
        )
        self._results: queue.SimpleQueue[Result] = queue.SimpleQueue()
        self._uncommitted: list[Result] = []
        self._note_answering = note_answering
        self._busy: dict[SizeLane, Future[None]] = {}
        self._begun: dict[SizeLane, int] = {}  # by lane, the epoch in which its work began
        self._collect_due = {
            SizeLane(code, large=False): 0.0
            for code, partner in context.settings.partners.items()
            if partner.link == "mail" or (partner.link == "collect" and partner.endpoint is not None)
        }

    def step(self) -> Step:
        self._note_answering()
        done = self._commit_results()
        now = self._context.clock()
        with self._context.ledger.read() as connection:
            lanes = all_lanes(connection)
            quiet = not done or not self._vault_waits(connection)
            # Each of these questions costs more than to learn that nothing of its kind waits at all.
            kinds = [unit for unit in _KINDS if fair_share.lanes(connection, unit, Direction.OUT, State.SEALED)]
            later = [next_deferred(connection, unit, State.SEALED, now) for unit in kinds]
            free = {
                SizeLane(partner, large)
                for partner in self._transports.keys() - self._context.elsewhere
                if partner not in lanes or (not lanes[partner].held and lanes[partner].due <= now)
                for large in self._pools
            } - self._busy.keys()
            parcels, opening = self._parcels(connection, free, now) if kinds else ({}, None)
        done += self._leave_behind(parcels)
        for lane in sorted(free):
            if parcels.get(lane) or self._may_collect(lane, now):
                self._start(lane, parcels.get(lane, []), now)
        self._sessions.close_idle(now)
        waiting = [lane.due for lane in lanes.values() if lane.due > now and not lane.held]
        waiting += [due for due in [*later, opening] if due is not None]
        # What is past waits for its lane, which wakes the role when it is free.
        waiting += [due for due in self._collect_due.values() if due > now]
        return Step(done=done, due=min(waiting, default=None), quiet=quiet)

    def close(self) -> None:
        # Closing the sessions ends uploads in mid-file; the pools' threads end with them.
        self._sessions.close()
        for pool in self._pools.values():
            pool.shutdown(wait=True, cancel_futures=True)
        self._commit_results()

    @property
    def busy(self) -> bool:
        return bool(self._busy)

    @staticmethod
    def _vault_waits(connection: Connection) -> bool:
        """Whether anything is to be packed or acknowledged, which may have waited for what has been sent.

        What comes to wait later finds it sent, and wakes the vault itself.
        """
        waiting = ((units.Transfer, State.VALIDATED), (units.Receipt, State.ISSUED))
        return any(fair_share.lanes(connection, unit, Direction.OUT, state) for unit, state in waiting)

    def _parcels(
        self, connection: Connection, free: set[SizeLane], now: float
    ) -> tuple[dict[SizeLane, list[units.Parcel]], float | None]:
        """The parcels that the free lanes send now, the most urgent first; and when the first closed window opens."""
        partners = sorted({lane.partner for lane in free})
        found: defaultdict[SizeLane, list[units.Parcel]] = defaultdict(list)
        openings: list[float] = []
        # Receipts first: the partner waits for them.
        share = (Direction.OUT, State.SEALED, now, _SHARE, fair_share.to(partners))
        for receipt in fair_share.of_each_lane(connection, units.Receipt, *share):
            if (lane := lane_of(receipt)) in free:
                found[lane].append(receipt)
        for row in sorted(fair_share.of_each_lane(connection, units.Consignment, *share), key=self._urgency):
            opens = self._windows.opening(row.partner, row.flow or "", now)
            if opens == now and (lane := lane_of(row)) in free:
                found[lane].append(row)
            elif opens is not None and opens != now:
                openings.append(opens)
        return {lane: in_one_go(parcels) for lane, parcels in found.items()}, min(openings, default=None)

    def _leave_behind(self, parcels: Mapping[SizeLane, list[units.Parcel]]) -> int:
        """Take out what was sealed for another envelope than its partner has now, and note that it waits; how many these are."""
        behind = [
            (rows, row)
            for rows in parcels.values()
            for row in rows
            if isinstance(row, units.Consignment) and row.is_plain != self._has_gpg_alone(row.partner)
        ]
        if behind:
            with self._context.ledger.write() as transaction:
                for rows, row in behind:
                    rows.remove(row)
                    self._note_deferred(transaction, Deferred(row, EnvelopeChanged()))
        return len(behind)

    def _has_gpg_alone(self, code: str) -> bool:
        partner = self._context.settings.partners.get(code)
        return partner is not None and partner.envelope == "plain"

    def _urgency(self, row: units.Consignment) -> tuple[int, int, int]:
        flow = self._context.settings.flows.get(row.flow or "")
        return row.claims, 0 if flow is None else flow.priority, row.key

    def _start(self, lane: SizeLane, parcels: Sequence[units.Parcel], now: float) -> None:
        collect = self._may_collect(lane, now)
        if collect and lane.large:
            del self._collect_due[lane]
        elif collect:
            self._collect_due[lane] = now + self._context.settings.link.collect_seconds
        work = partial(self._lane_work.run, lane, parcels, collect=collect, names=self._names_there(parcels))
        self._begun[lane] = self._context.epoch()
        self._busy[lane] = self._pools[lane.large].submit(work)

    def _names_there(self, parcels: Sequence[units.Parcel]) -> Mapping[int, str]:
        """The names that messages without a manifest get at their partners, by their keys."""
        plain = [row for row in parcels if isinstance(row, units.Consignment) and row.is_plain]
        if not plain:
            return {}
        with self._context.ledger.read() as connection:
            files = [(row.key, carried(connection, Direction.OUT, row.partner, row.id)) for row in plain]
        return {key: units.required(file.delivered_name) for key, (file,) in files}

    def _put(self, results: Sequence[Result]) -> None:
        """Called from the lanes' threads."""
        for result in results:
            self._results.put(result)
        self._wake()

    def _may_collect(self, lane: SizeLane, now: float) -> bool:
        due = self._collect_due.get(lane)
        return due is not None and is_due(due, now, self._context.settings.link.collect_seconds)

    def _commit_results(self) -> int:
        """Record what the lanes did. Where the ledger fails, the results are kept for the next step."""
        with suppress(queue.Empty):
            while True:
                self._uncommitted.append(self._results.get_nowait())
        if not self._uncommitted:
            return 0
        ended = [result for result in self._uncommitted if isinstance(result, Ended)]
        for end in ended:
            self._busy[end.lane].result()  # raises a defect, which ends the role
        with self._context.ledger.read() as connection:
            lanes = all_lanes(connection)
        notable = [
            result
            for result in self._uncommitted
            if not isinstance(result, Ended)
            or result.error is not None
            or (result.well and lanes.get(result.lane.partner, units.Lane(result.lane.partner)).failures)
        ]
        if notable:
            with self._context.ledger.write() as transaction:
                for result in notable:
                    self._note(transaction, result)
        done = sum(isinstance(result, Sent) for result in self._uncommitted) + sum(end.fetched for end in ended)
        self._uncommitted.clear()
        for end in ended:
            del self._busy[end.lane]
            if end.more:
                self._collect_due[SizeLane(end.lane.partner, large=True)] = 0.0
        return done

    def _note(self, transaction: Transaction, result: Result) -> None:
        lane = result.lane if isinstance(result, Ended) else lane_of(result.row)
        if not self._context.has_kept(lane.partner, self._begun[lane]):
            return  # another node took the lane over, and sends it again under the same name
        match result:
            case Sent():
                self._note_sent(transaction, result)
            case Deferred():
                self._note_deferred(transaction, result)
            case Ended():
                self._note_ended(transaction, result)

    def _note_sent(self, transaction: Transaction, result: Sent) -> None:
        row, table = result.row, TABLE_OF[type(result.row)]
        if identities.state_of(transaction.connection, type(row), row.key) != State.SEALED:
            return  # its receipt was quicker
        event = transaction.record(
            f"{row.kind}.sent", row.kind, consignment_of(row), row.partner, bytes=row.sealed_size
        )
        if isinstance(row, units.Consignment) and row.is_plain:
            note_unconfirmed(self._context, transaction, row, event)
            return
        due = 0.0
        if isinstance(row, units.Consignment):
            due = transaction.now + receipt_wait(self._context.settings.link, row.resends)
        change = {"key": row.key, "state": State.SENT, "due": due, "code": None, "reason": None, "event": event}
        transaction.move(table, Direction.OUT, State.SEALED, [change])
        if isinstance(row, units.Consignment):
            transaction.move_with(row, State.SEALED, State.SENT, event)
        else:
            let_go(transaction, self._context.payloads, sealed_file(self._context.home, row))

    def _note_deferred(self, transaction: Transaction, wait: Deferred) -> None:
        row, error, table = wait.row, wait.error, TABLE_OF[type(wait.row)]
        if identities.state_of(transaction.connection, type(row), row.key) != State.SEALED:
            return
        if type(error) is NameTaken and take_second_name(transaction, row):
            return
        if isinstance(error, StoreFileLost):
            put_off(self._context, transaction, row, error)
            return
        attempts = row.attempts + 1
        due = stuck_lanes.next_try(self._context, error, attempts, attempts)
        transaction.set(table, [row.key], attempts=attempts, due=due, code=error.code, reason=error.reason)
        # Only a line of the log: no state has changed, and a parcel may wait for days.
        keys = {"consignment": consignment_of(row), "partner": row.partner}
        log = partial(self._context.log, "work.deferred", **keys, code=error.code, attempt=attempts, due=to_text(due))
        transaction.afterwards.append(log)
        stuck_lanes.alarm_if_stuck(self._context, transaction, row.partner)

    def _note_ended(self, transaction: Transaction, end: Ended) -> None:
        partner, error = end.lane.partner, end.error
        failures = transaction.lane(partner).failures
        if error is None:
            transaction.record("lane.recovered", "lane", partner, partner)
            transaction.set_lane(partner, failures=0, due=0.0, code=None, reason=None)
            return
        if error.disposition is Disposition.HALT:
            raise error
        held = error.disposition is not Disposition.DEFER
        times = stuck_lanes.times_in_a_row(transaction, partner, error)
        due = 0.0 if held else stuck_lanes.next_try(self._context, error, failures + 1, times)
        transaction.record(
            "lane.held" if held else "lane.deferred",
            "lane",
            partner,
            partner,
            code=error.code,
            reason=error.reason,
            log={"attempt": failures + 1} | ({} if held else {"due": to_text(due)}),
        )
        transaction.set_lane(partner, held=held, failures=failures + 1, due=due, code=error.code, reason=error.reason)
        stuck_lanes.alarm_if_stuck(self._context, transaction, partner)
