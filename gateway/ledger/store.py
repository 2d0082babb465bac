"""Opening the ledger, and writing to it: what became true together is committed together, with its events.

A Transaction takes state changes and events, and commits them as one: the rows, the chain, whose last event commits to
the rows (`ledger.commitment`), then the log lines, which are written only once the commit is durable. Every error of
SQLAlchemy or SQLite leaves here as LedgerBusy, LedgerUnavailable, DiskFull, LedgerCorrupt, LedgerSchema or ImpossibleMove;
DiskFailed and StoreUnreachable say that all is committed, and that bytes which nobody needs any more could not be removed.

Long because a Transaction's promises are kept by two together: how the Ledger commits, and what the Transaction writes.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import orjson
from sqlalchemy import Connection as Connection  # noqa: PLC0414 - for whoever hands one on, and speaks no SQL
from sqlalchemy import Table, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import SQLAlchemyError

from gateway.domain.identity import to_text
from gateway.domain.states import ITINERARIES, Direction, State, require
from gateway.errors import Defer, DiskFailed, DiskFull, ImpossibleMove, LedgerRolledBack, LostRace, StoreUnreachable
from gateway.ledger.bulk import count_attempt, insert_entries, insert_rows, update_rows
from gateway.ledger.capture import Commitments, commitments
from gateway.ledger.chain import EMPTY, ChainEntry, Head, digest_of
from gateway.ledger.commitment import COMMITTED, KIND, NOUN, SALT, SALT_BYTES, SUBJECT, personal_digest
from gateway.ledger.dispatch import Dispatch
from gateway.ledger.engine import Session, driver_of, open_engine
from gateway.ledger.fence import Fence, say
from gateway.ledger.head_file import HeadFile
from gateway.ledger.integrity import check, check_pages, require_file, require_known, translate
from gateway.ledger.place import Place
from gateway.ledger.tables import CONSIGNMENTS, EVENTS, LANES, QUARANTINE, REASONS, RECEIPTS, TRANSFERS
from gateway.ledger.units import Consignment, Lane, Quarantined, Receipt, Transfer, Unit

if TYPE_CHECKING:
    from gateway.ledger.postgresql.going_on import HeadRow

Announcements = Sequence[tuple[str, Mapping[str, Any]]]
"""Committed events: the name and the log keys of each."""
Announce = Callable[[Announcements], None]
"""Called once for each transaction that recorded an event."""


def _failure_of(action: Callable[[], None]) -> Defer | None:
    """Why it failed: what comes after it is done all the same."""
    try:
        action()
    except OSError as error:
        failure = DiskFailed(f"removing what was done with: {error.strerror}")
        failure.__cause__ = error
        return failure
    except (DiskFull, DiskFailed, StoreUnreachable) as error:
        return error
    return None


def _require_open(connection: Connection) -> None:
    """ImpossibleMove where the database has taken the transaction back, and somebody kept the error to himself."""
    if not driver_of(connection).in_transaction:
        raise ImpossibleMove("the ledger took the transaction back before its end")


class Ledger:
    """One site's ledger, opened by one process. `role` is who writes, `clock` gives seconds since 1970, `random_bytes` so many
    of them, and `head_file` keeps the chain's head outside the ledger: whoever writes to a site's ledger, or is to check it,
    has it. `fence` is who writes where the site has several nodes, None where it has one; a role has it changed before each step. `session` are
    settings of its connections to PostgreSQL, beside the ledger's own. `dispatch` wakes whoever works on the lanes of what is written; None where
    whoever writes does so himself.
    """

    def __init__(
        self,
        place: Place,
        *,
        clock: Callable[[], float],
        role: str,
        announce: Announce = lambda _announcements: None,
        head_file: HeadFile | None = None,
        random_bytes: Callable[[int], bytes] = os.urandom,
        fence: Fence | None = None,
        session: Session | None = None,
        dispatch: Dispatch | None = None,
    ) -> None:
        require_file(place)
        self._place = place
        self.clock = clock
        self.role = role
        self.fence = fence
        self.dispatch = dispatch
        self._announce = announce
        self._head_file = head_file
        self._random_bytes = random_bytes
        self._engine = open_engine(place, session, None if head_file is None else self._require_known)
        self._writer = self._engine.execution_options(gateway_write=True, gateway_commitments=True)

    def check(self) -> None:
        """What `integrity.check` says of the database."""
        check(self._place, self._head_file)

    def check_pages(self) -> None:
        """LedgerCorrupt where a page is damaged: `integrity.check_pages`."""
        check_pages(self._place)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Be the only one of its role who works with the ledger while the block runs. SQLite's file is where HOME's own lock is."""
        if not isinstance(self._place, str):
            yield
            return
        from gateway.ledger.postgresql.holding import held  # noqa: PLC0415 - only where it is used

        with held(self._place, self.role, "" if self.fence is None else self.fence.node):
            yield

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view. Errors come out translated."""
        try:
            with self._engine.connect() as connection:
                yield connection
        except (SQLAlchemyError, sqlite3.Error) as error:
            raise translate(error) from error

    @contextmanager
    def write(self) -> Iterator[Transaction]:
        """A transaction: committed at the end, or not at all where an exception leaves the block."""
        ending = False
        remembered = self._remembered()
        try:
            with self._writer.begin() as connection:
                if isinstance(self._place, str):
                    self._require_newest(connection.info["head"], remembered)
                if self.fence is not None:
                    say(connection, self.fence)
                transaction = Transaction(
                    connection,
                    self.clock(),
                    self.role,
                    self._random_bytes,
                    node=None if self.fence is None else self.fence.node,
                )
                yield transaction
                _require_open(connection)
                transaction.commit_to_rows()
                transaction.flush()
                for action in transaction.beforehand.values():
                    action()
                if self.dispatch is not None:
                    self.dispatch.wake(transaction, transaction.lanes)
                _require_open(connection)
                ending = True
        except (SQLAlchemyError, sqlite3.Error) as error:
            if not ending or not self._was_committed(transaction):
                raise translate(error) from error
        if self._head_file is not None and transaction.recorded:
            self._head_file.remember(transaction.head())
        if transaction.announcements:
            self._announce(transaction.announcements)
        failures = [failure for action in transaction.afterwards if (failure := _failure_of(action)) is not None]
        if failures:
            raise failures[0]

    def wake(self, lanes: Collection[str]) -> None:
        """Have whoever works on these lanes look, where it is no row that says so."""
        if self.dispatch is not None:
            with self.write() as transaction:
                transaction.lanes.update(lanes)

    @contextmanager
    def beside_chain(self) -> Iterator[Connection]:
        """A transaction that records nothing and waits for no other writer: for what nodes tell each other. Of PostgreSQL.

        Where it fails, it may be committed all the same. What it has seen of the chain is remembered once it is committed: a standby that is
        waited for has that by then.
        """
        from gateway.ledger.postgresql.going_on import HEAD, HeadRow  # noqa: PLC0415 - only where it is used

        remembered = self._remembered()
        try:
            with self._engine.execution_options(gateway_write=True, gateway_head=False).begin() as connection:
                seen = HeadRow._make(connection.exec_driver_sql(HEAD).one())
                self._require_newest(seen, remembered)
                yield connection
        except SQLAlchemyError as error:
            raise translate(error) from error
        if self._head_file is not None and seen.head != EMPTY:
            self._head_file.remember(seen.head)

    def close_as(self, incarnation: int, error: LedgerRolledBack) -> None:
        """Have the site's other nodes stop as this one does, since the database lacks what this one has seen. Of PostgreSQL."""
        from gateway.ledger.postgresql.going_on import close_as  # noqa: PLC0415 - only where it is used

        if self.fence is not None and isinstance(self._place, str):
            close_as(self._place, self.fence.node, incarnation, error)

    def _remembered(self) -> Head | None:
        """Asked before the database is: another process may commit, and remember that, before we look. None for SQLite, whose file nobody replaces
        while it is open.
        """
        return self._head_file.remembered() if self._head_file is not None and isinstance(self._place, str) else None

    def _require_known(self, ask: Callable[[str], Any]) -> None:
        require_known(ask, self._remembered())

    def _require_newest(self, row: HeadRow, remembered: Head | None) -> None:
        from gateway.ledger.postgresql.going_on import require_open  # noqa: PLC0415 - only where it is used

        require_open(row, remembered)

    def _was_committed(self, transaction: Transaction) -> bool:
        """Of PostgreSQL: a commit may have come through although its answer did not. One without an event counts as failed: it wrote working state
        alone, which whoever does the step again writes as it finds it.
        """
        if not isinstance(self._place, str) or not transaction.recorded:
            return False
        from gateway.ledger.postgresql.doubt import was_committed  # noqa: PLC0415 - only where it is used

        return was_committed(self._engine, transaction.head())

    def close(self) -> None:
        self._engine.dispose()


class Transaction:
    """Changes that become true together. `now` is one moment for all of them; `node` is whose they are, None where the gateway works alone.

    `beforehand` are called before the commit, once each: they make durable what the rows speak of, once for many rows that
    speak of the same directory. Where one fails, nothing is committed. `afterwards` are called once the commit is durable:
    they remove bytes that nobody needs any more, and that a restart removes where the process dies in between.
    """

    def __init__(
        self,
        connection: Connection,
        now: float,
        role: str,
        random_bytes: Callable[[int], bytes],
        *,
        node: str | None = None,
    ) -> None:
        self.connection = connection
        self.node = node
        self.now = now
        self.role = role
        self._random_bytes = random_bytes
        self.recorded = False
        """Whether the chain has grown."""
        self.lanes: set[str] = set()
        """The lanes that what is written is about: partners of events, and what others add."""
        self.announcements: list[tuple[str, Mapping[str, Any]]] = []
        self.beforehand: dict[str, Callable[[], None]] = {}
        self.afterwards: list[Callable[[], None]] = []
        self._at = to_text(now)
        self._events: list[ChainEntry] = []
        self._head: Head | None = None

    def head(self) -> Head:
        """The chain's last event, those of this transaction included."""
        if self._head is None:
            self._head = read_head(self.connection)
        return self._head

    def leave_out(self, until: int) -> None:
        """Let the next event's number be behind `until`: for RESTORED alone, which says why."""
        sequence, sha256 = self.head()
        self._head = Head(max(sequence, until), sha256)

    def record(
        self,
        name: str,
        kind: str,
        subject: str,
        partner: str | None = None,
        *,
        log: Mapping[str, Any] | None = None,
        why: str | None = None,
        **detail: Any,
    ) -> int:
        """Append an event to the chain, and its log line; returns its sequence number.

        `detail` goes into the chain and, but for lists, into the log line; `log` goes into the line alone. `why`, a person's
        reason, goes into a row of its own and, as `reason`, into the line; of it the chain has the salted digest.
        """
        detail = {key: value for key, value in detail.items() if value is not None}
        keys = {key: value for key, value in detail.items() if not isinstance(value, list)} | dict(log or {})
        if why is not None:
            detail["reason_sha256"] = self._keep_reason(self.head().sequence + 1, why)
            keys["reason"] = why
        sequence = self._append(name, kind, subject, partner, detail)
        if kind == "transfer":
            keys["transfer"] = subject
        elif kind in {"consignment", "receipt"}:
            keys["consignment"] = subject
        if partner is not None:
            keys["partner"] = partner
        self.announcements.append((name, keys))
        return sequence

    def note(self, name: str, kind: str, subject: str, partner: str | None, detail: Mapping[str, Any]) -> int:
        """Append an event without a line in the log: one of many alike, whose run has a line of its own."""
        return self._append(name, kind, subject, partner, detail)

    def _keep_reason(self, sequence: int, why: str) -> str:
        """Write the row of the event's reason; the digest that the event has of it."""
        row = {"sequence": sequence, "text": why, SALT: self._salt()}
        self.connection.execute(insert(REASONS).values(row))
        return personal_digest(REASONS.name, row)

    def commit_to_rows(self) -> None:
        """Append an event with the digests of the rows that were written so far, if there are any; it has no log line."""
        self.commit_to(commitments(driver_of(self.connection)))

    def commit_to(self, digests: Commitments) -> None:
        """Append an event with the digests of rows; nothing where there are none."""
        if digests:
            self._append(COMMITTED, KIND, SUBJECT, None, digests)

    def _append(self, name: str, kind: str, subject: str, partner: str | None, detail: Mapping[str, Any]) -> int:
        if partner is not None:
            self.lanes.add(partner)
        sequence, previous = self.head()
        text = orjson.dumps(detail).decode()
        content = (sequence + 1, self._at, self.role, name, kind, subject, partner, text, previous)
        entry = ChainEntry(*content, digest_of(content))
        self._head = Head(entry.sequence, entry.sha256)
        self._events.append(entry)
        self.recorded = True
        return entry.sequence

    def insert(self, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
        """New rows; `created` and `updated` are this transaction's moment."""
        if rows:
            stamped = [{"created": self.now, "updated": self.now, SALT: self._salt(), **row} for row in rows]
            insert_rows(self.connection, table, stamped)

    def move(self, table: Table, direction: Direction, state: State, changes: Sequence[Mapping[str, Any]]) -> None:
        """Take rows from `state` to `changes[i]["state"]`, all of them with the same set of changed columns.

        Each change has `key` and `state`. Claims end here. ImpossibleMove where the itinerary forbids it, or where a row
        is no longer in `state`: somebody else moved it, and nothing of this transaction may stay. Where several nodes work, that is a
        LostRace.
        """
        if not changes:
            return
        itinerary = ITINERARIES[NOUN[table.name], direction]
        for following in {change["state"] for change in changes}:
            if following != state:
                require(itinerary, state, State(following))
        rows = [
            {"claims": 0, "updated": self.now} | {name: _plain(new) for name, new in change.items() if name != "key"}
            for change in changes
        ]
        done = update_rows(self.connection, table, [change["key"] for change in changes], rows, str(state))
        if done != len(changes):
            reason = f"{len(changes) - done} {table.name} are no longer {state}"
            raise ImpossibleMove(reason) if self.node is None else LostRace(reason)

    def move_with(self, consignment: Consignment, state: State, following: State, sequence: int) -> None:
        """Take all transfers of an outbound consignment along with it, those that are in `state`."""
        require(ITINERARIES["transfer", Direction.OUT], state, following)
        self.connection.execute(
            update(TRANSFERS)
            .where(
                TRANSFERS.c.consignment == consignment.id,
                TRANSFERS.c.direction == str(Direction.OUT),
                TRANSFERS.c.partner == consignment.partner,
                TRANSFERS.c.state == str(state),
            )
            .values(state=str(following), updated=self.now, event=sequence)
        )

    def claim(self, table: Table, keys: Sequence[int]) -> None:
        """Count an attempt before it starts."""
        if keys:
            count_attempt(self.connection, table, keys)

    def set(self, table: Table, keys: Sequence[int], **values: Any) -> None:
        """Change columns that are no state."""
        if keys:
            update_rows(self.connection, table, keys, [values] * len(keys))

    def note_delivered_names(self, names: Mapping[int, str], node: str | None = None) -> None:
        """The names that transfers are delivered under, by their keys, and the node that has put copies there; no state changes."""
        if names:
            placed = {} if node is None else {"node": node}
            rows = [{"delivered_name": name, **placed} for name in names.values()]
            update_rows(self.connection, TRANSFERS, list(names), rows)

    def note_facts(self, facts: Mapping[int, Mapping[str, str]]) -> None:
        """What the validator told about transfers, by their keys; no state changes."""
        if facts:
            rows = [
                {"facts": orjson.dumps(dict(told)).decode(), "message_id": told.get("message_id")}
                for told in facts.values()
            ]
            update_rows(self.connection, TRANSFERS, list(facts), rows)

    def lane(self, partner: str) -> Lane:
        """The partner's lane, made at its first use."""
        upsert = (sqlite if self.connection.dialect.name == "sqlite" else postgresql).insert
        self.connection.execute(
            upsert(LANES).values(partner=partner, updated=self.now, salt=self._salt()).on_conflict_do_nothing(),
        )
        return Lane._make(self.connection.execute(select(LANES).where(LANES.c.partner == partner)).one())

    def set_lane(self, partner: str, **values: Any) -> None:
        self.lane(partner)
        self.connection.execute(update(LANES).where(LANES.c.partner == partner).values(updated=self.now, **values))

    def try_again(self, partner: str, code: str) -> None:
        """Make due now what could not be sealed for a partner because of the error of that code."""
        for table, state in ((CONSIGNMENTS, State.PACKED), (RECEIPTS, State.ISSUED)):
            self.connection.execute(
                update(table)
                .where(
                    table.c.state == str(state),
                    table.c.direction == str(Direction.OUT),
                    table.c.partner == partner,
                    table.c.code == code,
                )
                .values(due=0.0)
            )

    def lock_away(self, entry: Quarantined) -> None:
        """The row of something that is locked away."""
        self.connection.execute(insert(QUARANTINE).values(entry._asdict() | {SALT: self._salt()}))

    def discard(self, identity: str) -> None:
        """What was locked away under that id is removed for good."""
        self.connection.execute(update(QUARANTINE).where(QUARANTINE.c.id == identity).values(discarded=self.now))

    def _salt(self) -> str:
        return self._random_bytes(SALT_BYTES).hex()

    def flush(self) -> None:
        """Write the collected events."""
        if self._events:
            insert_entries(self.connection, self._events)
            self._events.clear()


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, State) else value


def event_digest(connection: Connection, sequence: int) -> str | None:
    """The SHA-256 of one event of the chain, None where there is none."""
    return connection.execute(select(EVENTS.c.sha256).where(EVENTS.c.sequence == sequence)).scalar()


def event_before(connection: Connection, sequence: int) -> Head:
    """The event before the one of that number, EMPTY where there is none. Restorations leave numbers out."""
    query = select(EVENTS.c.sequence, EVENTS.c.sha256).where(EVENTS.c.sequence < sequence)
    row = connection.execute(query.order_by(EVENTS.c.sequence.desc()).limit(1)).first()
    return EMPTY if row is None else Head(row.sequence, row.sha256)


def read_head(connection: Connection) -> Head:
    """The chain's last committed event."""
    row = connection.execute(
        select(EVENTS.c.sequence, EVENTS.c.sha256).order_by(EVENTS.c.sequence.desc()).limit(1)
    ).first()
    return EMPTY if row is None else Head(row.sequence, row.sha256)


UNITS: Final[Mapping[str, type[Unit]]] = {"transfer": Transfer, "consignment": Consignment, "receipt": Receipt}
TABLES: Final[Mapping[str, Table]] = {"transfer": TRANSFERS, "consignment": CONSIGNMENTS, "receipt": RECEIPTS}
