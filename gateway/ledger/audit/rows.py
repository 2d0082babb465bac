"""The ledger's rows against its chain: each is what the chain committed to last, and what its last event says.

Nothing is raised for what is found wrong: it is a Fault. Rows and events are streamed as the driver has them, and of each row
only the last digest is kept, 32 bytes: a million transfers are compared in seconds and tens of megabytes.

Two laws stay that no digest of one row gives, and that bind the program itself: the event that a row names left it in its
state, and transfers are where their consignment is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection, select

from gateway.domain.states import Direction, State
from gateway.events import BY_NAME
from gateway.ledger.audit.chain import EVERY, Fault, Watch, loaded, silent, to_the_end, told
from gateway.ledger.audit.last_commitments import LastCommitments, last_commitments
from gateway.ledger.capture import Driver, stored_rows, stream
from gateway.ledger.chain import EMPTY, Head
from gateway.ledger.commitment import COLUMNS, ERASED, KEY, NOUN, digest_of, personal_digest
from gateway.ledger.engine import driver_of
from gateway.ledger.store import TABLES, read_head
from gateway.ledger.tables import CONSIGNMENTS, REASONS, TRANSFERS

_SUBJECT: Final[Mapping[str, int]] = {
    table: COLUMNS[table].index(
        {"receipts": "consignment", "lanes": "partner", "reasons": "sequence", "people": "user"}.get(table, "id")
    )
    for table in KEY
}
"""Where the name of a row's subject is among its columns."""

_NO_STATE: Final = "unknown"


def check_rows(connection: Connection, watch: Watch = silent, since: Head = EMPTY) -> Iterator[Fault]:
    """Every row; where the chain up to `since` was verified before, those that it has committed to after that, and those that
    name an event after it.
    """
    driver = driver_of(connection)
    known = LastCommitments()
    ends: list[Fault] = []
    with to_the_end("row", ends):
        known = last_commitments(driver, since, watch)
    yield from ends
    for table in KEY:
        compared = _check_all(driver, table, known, watch)
        yield from told("row", compared if since == EMPTY else _check_changed(driver, table, known, since))
    yield from told(
        "row", *(_check_events(connection, kind, since, watch) for kind in TABLES), _carried_apart(connection)
    )


def _check_all(driver: Driver, table: str, known: LastCommitments, watch: Watch) -> Iterator[Fault]:
    for number, (key, values) in enumerate(stored_rows(driver, table), 1):
        if number % EVERY == 0:
            watch(table, number)
        yield from _compare(driver, table, values, known.take(table, key))
    yield from _gone(table, known)


def _check_changed(driver: Driver, table: str, known: LastCommitments, since: Head) -> Iterator[Fault]:
    keys = {*known.keys(table), *_changed_after(driver, table, since)}
    for key, values in stored_rows(driver, table, sorted(keys)):
        yield from _compare(driver, table, values, known.take(table, key))
    yield from _gone(table, known)


def _changed_after(driver: Driver, table: str, since: Head) -> list[int | str]:
    """Rows that name an event after `since`: the chain has to have committed to them since."""
    if "event" not in COLUMNS[table]:
        return []
    query = f'SELECT "{KEY[table]}" FROM "{table}" WHERE event > ?'  # noqa: S608 - names of tables and columns
    return [key for (key,) in driver.execute(query, (since.sequence,))]


def _compare(driver: Driver, table: str, values: Sequence[Any], said: bytes | None) -> Iterator[Fault]:
    subject = f"{NOUN[table]} {values[_SUBJECT[table]]}"
    if said is None:
        yield Fault("row", subject, "the chain does not know this row")
    elif said != _digest(table, values):
        yield Fault("row", subject, "it is not what the chain committed to last: somebody changed it")
    elif table == REASONS.name and not _event_has(driver, values):
        yield Fault("row", subject, "the event of that number has another digest of it, or none")
    if str(values[0]).startswith(ERASED) and not _was_erased(driver, table, values):
        yield Fault("row", subject, "what may name people is erased in it, and no event says so")


def _digest(table: str, values: Sequence[Any]) -> bytes | None:
    """None where a value is of a kind that no program wrote."""
    try:
        return bytes.fromhex(digest_of(table, values))
    except TypeError:
        return None


def _event_has(driver: Driver, values: Sequence[Any]) -> bool:
    """Whether a decision's event has the digest of its reason: a commitment that somebody appends does not change that."""
    row = dict(zip(COLUMNS[REASONS.name], values, strict=True))
    found = driver.execute("SELECT detail FROM events WHERE sequence = ?", (row["sequence"],)).fetchone()
    return found is not None and loaded(found[0]).get("reason_sha256") == personal_digest(REASONS.name, row)


def _was_erased(driver: Driver, table: str, values: Sequence[Any]) -> bool:
    query = "SELECT 1 FROM events WHERE subject = ? AND kind = ? AND event = ?"
    noun = NOUN[table]
    return driver.execute(query, (str(values[_SUBJECT[table]]), noun, f"{noun}.erased")).fetchone() is not None


def _gone(table: str, known: LastCommitments) -> Iterator[Fault]:
    for key in known.keys(table):
        yield Fault("row", f"{NOUN[table]} of key {key}", "the chain committed to this row, and it is gone")


def _check_events(connection: Connection, kind: str, since: Head, watch: Watch) -> Iterator[Fault]:
    """Every unit of work of a kind against the event that it names as its last."""
    head, table = read_head(connection), TABLES[kind]
    subject = "consignment" if kind == "receipt" else "id"
    carrier = "id" if kind == "consignment" else "consignment"
    rows = stream(
        driver_of(connection),
        f"SELECT unit.{subject}, unit.partner, unit.state, unit.{carrier}, unit.event, about.event, about.kind, about.subject,"  # noqa: S608 - names of columns
        " about.partner, CASE WHEN instr(about.detail, '\"state\"') > 0 THEN about.detail END"
        f" FROM {table.name} AS unit NOT INDEXED LEFT JOIN events AS about NOT INDEXED ON about.sequence = unit.event"
        " WHERE unit.event > ? ORDER BY unit.key",
        (since.sequence if since != EMPTY else -1,),
    )
    for number, row in enumerate(map(_Row._make, rows), 1):
        if number % EVERY == 0:
            watch(f"last events of {table.name}", number)
        if message := _contradiction(kind, row, head):
            yield Fault("row", f"{kind} {row.subject}", message)


class _Row(NamedTuple):
    """A unit of work and the event that it names, as far as nobody edited them; `detail` only where it has a state."""

    subject: str
    partner: str
    state: str
    carrier: str | None
    event: int
    named: str | None
    named_kind: str
    named_subject: str
    named_partner: str
    detail: str | None


def _contradiction(kind: str, row: _Row, head: Head) -> str | None:
    if row.named is None:
        behind = isinstance(row.event, int) and row.event > head.sequence
        which = "behind the end of the chain" if behind else "that the chain does not have"
        return f"it was changed by event {row.event}, {which}"
    if not _is_about(kind, row):
        return f"it names event {row.event}, which is about something else"
    said = state_after(row.named, loaded(row.detail))
    return None if said == row.state else f"it is {row.state}, but event {row.event} ({row.named}) left it {said}"


def _is_about(kind: str, row: _Row) -> bool:
    if row.named_partner != row.partner:
        return False
    if row.named_kind == kind:
        return row.named_subject == row.subject
    if kind == "transfer":
        return row.named_kind == "consignment" and row.named_subject == row.carrier
    return kind == "receipt" and row.named == "consignment.repeated" and row.named_subject == row.subject


def state_after(event: str, detail: Mapping[str, Any]) -> str:
    """The state that an event left its subject in, as far as its name and detail say."""
    if isinstance(detail.get("state"), str):
        return str(detail["state"])
    known = BY_NAME.get(event)
    return _NO_STATE if known is None or known.state is None else known.state


def _carried_apart(connection: Connection) -> Iterator[Fault]:
    """Transfers of consignments under way are where their consignment is."""
    query = (
        select(TRANSFERS.c.id, TRANSFERS.c.state, CONSIGNMENTS.c.state.label("carrier"))
        .join(
            CONSIGNMENTS,
            (CONSIGNMENTS.c.id == TRANSFERS.c.consignment)
            & (CONSIGNMENTS.c.partner == TRANSFERS.c.partner)
            & (CONSIGNMENTS.c.direction == TRANSFERS.c.direction),
        )
        .where(
            TRANSFERS.c.direction == str(Direction.OUT),
            CONSIGNMENTS.c.state.in_([State.PACKED, State.SEALED, State.SENT]),
            TRANSFERS.c.state != CONSIGNMENTS.c.state,
        )
    )
    for row in connection.execute(query):
        yield Fault("row", f"transfer {row.id}", f"it is {row.state}, and its consignment is {row.carrier}")
