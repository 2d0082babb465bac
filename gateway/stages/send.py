"""Send: sealed files go to their partners, each lane by itself, over kept sessions.

A lane works in a thread of a bounded pool, so a partner that stalls keeps one thread and nobody else; results come back
through a queue and are committed in groups by the role's own thread. A failure is the lane's: it waits with backoff, or
is held where a person must decide. Only a name that is taken at the partner is the parcel's own trouble: an earlier
receipt of that name was not taken away yet, and whatever lies behind goes on. Lanes that collect are also asked for what waits there for us.
"""

from __future__ import annotations

import queue
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

from sqlalchemy import Row

from gateway.errors import Disposition, GatewayError, NameTaken
from gateway.ledger import queries, turns
from gateway.ledger.answers import next_deferred
from gateway.ledger.store import TABLES, Transaction
from gateway.ledger.tables import CONSIGNMENTS, RECEIPTS
from gateway.stages.pausing import receipt_wait
from gateway.stages.workplace import Step, Workplace
from gateway.transfer.identity import to_text
from gateway.transfer.receipt import queue_name
from gateway.transfer.retry import has_come
from gateway.transfer.states import Direction, State
from gateway.transport.contract import Parcel, Session, Transport

LANES_AT_ONCE: Final = 32
IDLE_SECONDS: Final = 120.0
"""A session that nothing used for so long is closed; making one costs 0.1 s."""

_SHARE: Final = 64
"""Receipts, and consignments, that a lane takes at most before the others are looked at again."""


@dataclass(frozen=True)
class _Sent:
    """A parcel that lies at the partner under its final name."""

    kind: str
    row: Row[Any]


@dataclass(frozen=True)
class _Waits:
    """A parcel whose name is taken at the partner."""

    kind: str
    row: Row[Any]
    error: NameTaken


@dataclass(frozen=True)
class _Ended:
    """A lane's job is over: with an error, or with so many files fetched."""

    partner: str
    error: GatewayError | None
    fetched: int


class Send:
    """Sealed to sent, all lanes side by side. `wake` is called from a lane's thread when a result waits."""

    name = "send"

    def __init__(self, place: Workplace, transports: Mapping[str, Transport], wake: Callable[[], None]) -> None:
        self._place = place
        self._transports = transports
        self._wake = wake
        self._pool = ThreadPoolExecutor(LANES_AT_ONCE, thread_name_prefix="lane")
        self._results: queue.SimpleQueue[_Sent | _Waits | _Ended] = queue.SimpleQueue()
        self._sessions: dict[str, tuple[Session, float]] = {}
        self._uncommitted: list[_Sent | _Waits | _Ended] = []
        self._busy: dict[str, Future[None]] = {}
        self._collect_due = {
            code: 0.0
            for code, partner in place.settings.partners.items()
            if partner.link == "collect" and partner.endpoint is not None
        }

    def step(self) -> Step:
        done = self._commit_results()
        now = self._place.clock()
        with self._place.ledger.read() as connection:
            lanes = queries.lanes(connection)
            later = [next_deferred(connection, table, State.SEALED, now) for table in (RECEIPTS, CONSIGNMENTS)]
            free = [partner for partner in self._transports if self._is_free(partner, lanes.get(partner, {}), now)]
            sealed: dict[str, list[tuple[str, Row[Any]]]] = {}
            # Receipts first: a partner waits for them with its hands full.
            for kind, table in (("receipt", RECEIPTS), ("consignment", CONSIGNMENTS)):
                for row in turns.of_each_lane(
                    connection,
                    table,
                    Direction.OUT,
                    State.SEALED,
                    now,
                    _SHARE,
                    lambda rows: (rows.c.partner.in_(free),),
                ):
                    sealed.setdefault(row.partner, []).append((kind, row))
        for partner in free:
            if partner in sealed or self._may_collect(partner, now):
                self._start(partner, sealed.get(partner, []))
        self._close_idle(now)
        waiting = [lane["due"] for lane in lanes.values() if lane["due"] > now and not lane["held"]]
        waiting += [due for due in later if due is not None]
        return Step(done=done, due=min([*waiting, *self._collect_due.values()], default=None))

    def close(self) -> None:
        # Closing the sessions ends uploads in mid-file; the pool's threads end with them.
        for session, _ in list(self._sessions.values()):
            session.close()
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._commit_results()

    @property
    def busy(self) -> bool:
        return bool(self._busy)

    def _is_free(self, partner: str, lane: Mapping[str, Any], now: float) -> bool:
        return partner not in self._busy and not lane.get("held") and lane.get("due", 0.0) <= now

    def _start(self, partner: str, sealed: list[tuple[str, Row[Any]]]) -> None:
        now = self._place.clock()
        collect = self._may_collect(partner, now)
        if collect:
            self._collect_due[partner] = now + self._place.settings.link.collect_seconds
        self._busy[partner] = self._pool.submit(self._work, partner, sealed, collect)

    def _may_collect(self, partner: str, now: float) -> bool:
        due = self._collect_due.get(partner)
        return due is not None and has_come(due, now, self._place.settings.link.collect_seconds)

    def _work(self, partner: str, sealed: list[tuple[str, Row[Any]]], collect: bool) -> None:  # noqa: FBT001 - a thread's argument
        """In the lane's thread: touches its own session and the queue, never the ledger."""
        error, fetched = None, 0
        try:
            session = self._session(partner)
            for kind, row in sealed:
                self._results.put(self._sent(session, kind, row))
                self._wake()
            if collect:
                fetched = self._fetch(partner, session)
        except GatewayError as failure:
            error = failure
            kept = self._sessions.pop(partner, None)
            if kept is not None:
                kept[0].close()
        finally:
            self._results.put(_Ended(partner, error, fetched))
            self._wake()

    def _session(self, partner: str) -> Session:
        kept = self._sessions.pop(partner, None)
        if kept is not None and not kept[0].alive:
            # The partner closed it while it rested: that is no failure of the lane.
            kept[0].close()
            kept = None
        session = self._transports[partner].connect() if kept is None else kept[0]
        self._sessions[partner] = (session, self._place.clock())
        return session

    def _sent(self, session: Session, kind: str, row: Row[Any]) -> _Sent | _Waits:
        if kind == "consignment":
            here = name = f"{row.id}.pgp"
        else:
            here, name = queue_name(row.consignment, row.level, row.key), f"{row.consignment}.receipt.pgp"
        try:
            for _ in session.send([Parcel(self._place.home.sealed_out / row.partner / here, name, row.sealed_size)]):
                pass
        except NameTaken as error:
            return _Waits(kind, row, error)
        return _Sent(kind, row)

    def _fetch(self, partner: str, session: Session) -> int:
        landing = self._place.home.landing_in(partner)
        fetched = 0
        for remote in session.waiting():
            target = landing / remote.name
            if not target.exists():
                session.fetch(remote, target)
            session.remove(remote)
            fetched += 1
        return fetched

    def _commit_results(self) -> int:
        """Write down what the lanes did. Where the ledger refuses, it is kept for the next time."""
        with suppress(queue.Empty):
            while True:
                self._uncommitted.append(self._results.get_nowait())
        if not self._uncommitted:
            return 0
        ended = [result for result in self._uncommitted if isinstance(result, _Ended)]
        for end in ended:
            self._busy[end.partner].result()  # raises what was no error of the link: a defect ends the role
        with self._place.ledger.read() as connection:
            lanes = queries.lanes(connection)
        notable = [
            result
            for result in self._uncommitted
            if not isinstance(result, _Ended)
            or result.error is not None
            or lanes.get(result.partner, {}).get("failures", 0)
        ]
        if notable:
            with self._place.ledger.write() as transaction:
                for result in notable:
                    self._note(transaction, result)
        done = sum(isinstance(result, _Sent) for result in self._uncommitted) + sum(end.fetched for end in ended)
        self._uncommitted.clear()
        for end in ended:
            del self._busy[end.partner]
        return done

    def _note(self, transaction: Transaction, result: _Sent | _Waits | _Ended) -> None:
        match result:
            case _Sent():
                self._note_sent(transaction, result)
            case _Waits():
                self._note_waiting(transaction, result)
            case _Ended():
                self._note_ended(transaction, result)

    def _note_sent(self, transaction: Transaction, result: _Sent) -> None:
        row, kind = result.row, result.kind
        table = TABLES[kind]
        now_state = queries.state_of(transaction.connection, table, row.key)
        if now_state != State.SEALED:
            return  # its receipt was quicker than this note
        identity = row.id if kind == "consignment" else row.consignment
        event = transaction.record(f"{kind}.sent", kind, identity, row.partner, bytes=row.sealed_size)
        due = 0.0
        if kind == "consignment":
            due = transaction.now + receipt_wait(self._place.settings.link, row.resends)
        change = {"key": row.key, "state": State.SENT, "due": due, "code": None, "reason": None, "event": event}
        transaction.move(table, Direction.OUT, State.SEALED, [change])
        if kind == "consignment":
            transaction.move_with({"id": row.id, "partner": row.partner}, State.SEALED, State.SENT, event)
        else:
            sealed = self._place.home.sealed_out / row.partner / queue_name(row.consignment, row.level, row.key)
            transaction.afterwards.append(lambda: sealed.unlink(missing_ok=True))

    def _note_waiting(self, transaction: Transaction, wait: _Waits) -> None:
        row, error, table = wait.row, wait.error, TABLES[wait.kind]
        if queries.state_of(transaction.connection, table, row.key) != State.SEALED:
            return
        attempts = row.attempts + 1
        due = self._place.retry_at(attempts)
        transaction.set(table, [row.key], attempts=attempts, due=due, code=error.code, reason=error.reason)
        # A line, and no event of the chain: nothing has changed, and a parcel may wait for days.
        keys = {"consignment": row.id if wait.kind == "consignment" else row.consignment, "partner": row.partner}
        say = partial(self._place.log, "work.deferred", **keys, code=error.code, attempt=attempts, due=to_text(due))
        transaction.afterwards.append(say)

    def _note_ended(self, transaction: Transaction, end: _Ended) -> None:
        partner, error = end.partner, end.error
        failures = transaction.lane(partner)["failures"]
        if error is None:
            transaction.record("lane.recovered", "lane", partner, partner)
            transaction.set_lane(partner, failures=0, due=0.0, code=None, reason=None)
            return
        if error.disposition is Disposition.HALT:
            raise error
        held = error.disposition is not Disposition.DEFER
        due = 0.0 if held else self._place.retry_at(failures + 1)
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

    def _close_idle(self, now: float) -> None:
        for partner, (session, used) in list(self._sessions.items()):
            if partner not in self._busy and now - used > IDLE_SECONDS:
                del self._sessions[partner]
                session.close()
