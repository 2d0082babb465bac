"""The ledger's rows against its chain: every row names the event that changed it last, and that event has to agree.

Nothing is raised for what is found wrong: it is a Fault. An edit of the database that goes by the chain shows because an
event says which state its subject is in afterwards, because no younger event may have moved the row, because
rows never go, and because sizes and digests are in the chain too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson
from sqlalchemy import Connection, Row, Table, func, or_, select

from gateway.domain.states import ITINERARIES, Direction, State
from gateway.events import BY_NAME, Event
from gateway.ledger.audit.chain import EVERY, Fault, Watch, loaded, silent
from gateway.ledger.chain import Head
from gateway.ledger.queries.consignments import carried as carried_by
from gateway.ledger.queries.identities import one
from gateway.ledger.store import TABLES, read_head
from gateway.ledger.tables import CONSIGNMENTS, EVENTS, QUARANTINE, RECEIPTS, TRANSFERS
from gateway.ledger.units import Consignment

_MOVES: Final[Mapping[tuple[str, Direction], frozenset[str]]] = {
    (kind, direction): frozenset(event.value for event in Event if event.noun == kind and direction in event.moves)
    for kind, direction in ITINERARIES
}
"""The events that move a unit of each kind: none of them may be younger than the one that its row names."""

_ELSEWHERE: Final = ("replay-other-bytes", "landing-unexpected")
"""A `consignment.quarantined` of these codes speaks of a second file that came under the id, not of the row."""

_NO_STATE: Final = "unknown"


def check_rows(connection: Connection, watch: Watch = silent) -> Iterator[Fault]:
    """Every row against the event that it names, and against the youngest event about it."""
    head = read_head(connection)
    done = 0
    for kind, table in TABLES.items():
        for row in _rows_with_events(connection, kind, table):
            done += 1
            if done % EVERY == 0:
                watch("rows", done)
            yield from _check_row(kind, row, head)
    yield from _missing_rows(connection)
    yield from _quarantine(connection)
    yield from _carried_apart(connection)
    yield from _numbers(connection)


def _rows_with_events(connection: Connection, kind: str, table: Table) -> Iterator[Row[Any]]:
    subject = table.c.consignment if kind == "receipt" else table.c.id
    twin = table.alias()
    twin_subject = twin.c.consignment if kind == "receipt" else twin.c.id
    for direction in Direction:
        other = Direction.IN if direction is Direction.OUT else Direction.OUT
        # A partner may choose an id that we have given: then only names that belong to one direction tell them apart.
        ambiguous = _MOVES[kind, direction] & _MOVES[kind, other]
        has_twin = (
            select(twin.c.key)
            .where(twin.c.direction == str(other), twin.c.partner == table.c.partner, twin_subject == subject)
            .correlate(table)
            .exists()
        )
        about = EVENTS.alias("about")
        youngest = (
            select(func.max(about.c.sequence))
            .where(
                about.c.subject == subject,
                about.c.kind == kind,
                about.c.partner == table.c.partner,
                about.c.event.in_(_MOVES[kind, direction]),
                or_(about.c.event.not_in(ambiguous), ~has_twin),
                ~_of_another_file(about),
            )
            .correlate(table)
            .scalar_subquery()
        )
        query = (
            select(table, subject.label("subject"), youngest.label("youngest"), *_EVENT_COLUMNS)
            .outerjoin(EVENTS, EVENTS.c.sequence == table.c.event)
            .where(table.c.direction == str(direction))
            .order_by(table.c.key)
        )
        yield from connection.execution_options(yield_per=EVERY).execute(query)


_EVENT_COLUMNS: Final = [
    EVENTS.c.event.label("named"),
    EVENTS.c.kind.label("named_kind"),
    EVENTS.c.subject.label("named_subject"),
    EVENTS.c.partner.label("named_partner"),
    EVENTS.c.detail.label("named_detail"),
]


def _of_another_file(events: Any) -> Any:
    """Whether a quarantined consignment was another file under an id that the ledger knew already."""
    code = [events.c.detail.like(f'%"code":"{code}"%') for code in _ELSEWHERE]
    return (events.c.event == "consignment.quarantined") & or_(*code)


def _check_row(kind: str, row: Row[Any], head: Head) -> Iterator[Fault]:
    where = f"{kind} {row.subject}"
    if row.named is None:
        behind = "behind the end of the chain" if row.event > head.sequence else "that the chain does not have"
        yield Fault("row", where, f"it was changed by event {row.event}, {behind}")
        return
    if not _is_about(kind, row):
        yield Fault("row", where, f"it names event {row.event}, which is about something else")
        return
    said = state_after(row.named, loaded(row.named_detail))
    if said != row.state:
        yield Fault("row", where, f"it is {row.state}, but event {row.event} ({row.named}) left it {said}")
    elif row.youngest is not None and row.youngest > row.event and kind != "receipt":
        yield Fault("row", where, f"it names event {row.event}, but event {row.youngest} moved it after that")


def _is_about(kind: str, row: Row[Any]) -> bool:
    if row.named_partner != row.partner:
        return False
    if row.named_kind == kind:
        return bool(row.named_subject == row.subject)
    if kind == "transfer":
        return row.named_kind == "consignment" and bool(row.named_subject == row.consignment)
    return kind == "receipt" and row.named == "consignment.repeated" and bool(row.named_subject == row.subject)


def state_after(event: str, detail: Mapping[str, Any]) -> str:
    """The state that an event left its subject in, as far as its name and detail say."""
    if isinstance(detail.get("state"), str):
        return str(detail["state"])
    known = BY_NAME.get(event)
    return _NO_STATE if known is None or known.state is None else known.state


_BIRTHS: Final = (
    ("transfer.admitted", TRANSFERS, "id", Direction.OUT),
    ("consignment.packed", CONSIGNMENTS, "id", Direction.OUT),
    ("consignment.landed", CONSIGNMENTS, "id", Direction.IN),
    ("receipt.issued", RECEIPTS, "consignment", Direction.OUT),
    ("receipt.landed", RECEIPTS, "consignment", Direction.IN),
)
"""Events that begin a row, and where that row is: it must never go."""


def _missing_rows(connection: Connection) -> Iterator[Fault]:
    for event, table, column, direction in _BIRTHS:
        row = (
            select(table.c.key)
            .where(
                table.c[column] == EVENTS.c.subject,
                table.c.partner == EVENTS.c.partner,
                table.c.direction == str(direction),
            )
            .correlate(EVENTS)
            .exists()
        )
        query = select(EVENTS.c.sequence, EVENTS.c.subject).where(EVENTS.c.event == event, ~row)
        for sequence, subject in connection.execution_options(yield_per=EVERY).execute(query):
            yield Fault(
                "row", f"{event.partition('.')[0]} {subject}", f"event {sequence} began it, and its row is gone"
            )


def _quarantine(connection: Connection) -> Iterator[Fault]:
    """What was locked away, and what was discarded of it: as many rows as events, by partner and content."""
    rows: Counter[tuple[str, str, str]] = Counter()
    for row in connection.execute(select(QUARANTINE.c.partner, QUARANTINE.c.sha256, QUARANTINE.c.discarded)):
        rows["locked away", row.partner, row.sha256] += 1
        rows["discarded", row.partner, row.sha256] += row.discarded is not None
    events: Counter[tuple[str, str, str]] = Counter()
    names = dict.fromkeys(("consignment.quarantined", "receipt.refused", "transfer.isolated"), "locked away")
    names["quarantine.discarded"] = "discarded"
    query = select(EVENTS.c.event, EVENTS.c.partner, EVENTS.c.detail).where(EVENTS.c.event.in_(names))
    for event, partner, detail in connection.execute(query):
        events[names[event], partner, loaded(detail).get("sha256", "")] += 1
    for key in sorted(rows.keys() | events.keys()):
        what, partner, sha256 = key
        if rows[key] != events[key]:
            message = f"{events[key]} events say that it was {what}, and {rows[key]} rows"
            yield Fault("row", f"quarantine of {partner}, SHA-256 {sha256[:16]}", message)


def _carried_apart(connection: Connection) -> Iterator[Fault]:
    """Transfers of consignments: those under way are where their consignment is, and none has gone."""
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
    for event, direction in (("consignment.packed", Direction.OUT), ("consignment.opened", Direction.IN)):
        began = select(EVENTS.c.subject, EVENTS.c.partner, EVENTS.c.detail).where(EVENTS.c.event == event)
        for subject, partner, detail in connection.execute(began).all():
            carried = {row.id for row in carried_by(connection, direction, partner, subject)}
            consignment = one(connection, Consignment, direction, partner, subject)
            known = carried | _doubles(consignment)
            for missing in sorted(set(loaded(detail).get("transfers", [])) - known):
                yield Fault("row", f"transfer {missing}", f"consignment {subject} carried it, and its row is gone")


def _doubles(consignment: Consignment | None) -> set[str]:
    """The transfers of a consignment that had been delivered before."""
    try:
        doubles = orjson.loads((consignment.duplicates if consignment else None) or "[]")
        return {double["transfer"] for double in doubles}
    except (orjson.JSONDecodeError, TypeError, KeyError):
        return set()


_NUMBERS: Final = (
    ("transfer.admitted", TRANSFERS, "id", {"bytes": "size", "sha256": "sha256", "flow": "flow"}),
    ("consignment.landed", CONSIGNMENTS, "id", {"bytes": "sealed_size", "sha256": "sealed_sha256"}),
    ("consignment.sealed", CONSIGNMENTS, "id", {"bytes": "sealed_size", "sha256": "sealed_sha256"}),
)
"""What the chain itself says of sizes, digests and flows, and the columns that have to say the same."""


def _numbers(connection: Connection) -> Iterator[Fault]:
    for event, table, column, agreed in _NUMBERS:
        direction = Direction.IN if event == "consignment.landed" else Direction.OUT
        query = select(
            EVENTS.c.sequence, EVENTS.c.subject, EVENTS.c.detail, *(table.c[name] for name in agreed.values())
        )
        query = query.join(
            table,
            (table.c[column] == EVENTS.c.subject)
            & (table.c.partner == EVENTS.c.partner)
            & (table.c.direction == str(direction)),
        ).where(EVENTS.c.event == event)
        for row in connection.execution_options(yield_per=EVERY).execute(query):
            detail = loaded(row.detail)
            for word, name in agreed.items():
                if word in detail and detail[word] != getattr(row, name):
                    message = f"its {name} is not what event {row.sequence} says"
                    yield Fault("row", f"{event.partition('.')[0]} {row.subject}", message)
