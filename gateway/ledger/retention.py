"""Rows whose time is over: finding them, and erasing what may name people in them, with the chain intact.

A row stays, and so does its digest in the chain: its personal columns are emptied, its salt becomes `erased:` and their digest,
and an event KIND.erased says so (`ledger.commitment`). `due` reads by primary key, so that a run goes on where it
stopped. What an active legal hold covers is passed over by `erase`, in the transaction that erases. Raises what the driver raises.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from sqlalchemy import Connection

from gateway.domain.identity import to_text
from gateway.domain.retention import INCIDENT_EVENTS, Kind, Rule
from gateway.ledger.capture import Driver, stored_rows
from gateway.ledger.commitment import COLUMNS, ERASED, KEY, NOUN, PERSONAL, SALT, personal_digest
from gateway.ledger.engine import driver_of, sqlite_of
from gateway.ledger.marks import forget
from gateway.ledger.queries.legal_holds import Held, held
from gateway.ledger.store import Transaction
from gateway.ledger.tables import METADATA


class Due(NamedTuple):
    """A row whose time is over: its key, what it is called in the chain, its partner and flow where it has them, the id of what it
    belongs to, and its moments; `delivered` is the name of an inbound transfer's file in spool/inbound.
    """

    key: int | str
    subject: str
    partner: str | None
    flow: str | None
    owner: str | None
    made: float
    ended: float
    direction: str | None = None
    delivered: str | None = None
    size: int = 0
    sha256: str = ""


class _Query(NamedTuple):
    """Where the rows of a kind lie: the table, what `Due` takes of it, and when their time is over."""

    table: str
    fields: str
    where: str


_OVER: Final = "updated <= :until"
_UNCONFIRMED: Final = "state = 'sent' AND expires IS NULL"
"""What was sent to a partner without a gateway: no receipt will come."""
_BOARD: Final = "'faults', 'statement'"
"""Flows of documents that sites write for each other: no person is in them, and the newest one counts, however old it is."""
_SAID_AT: Final = "(SELECT {} FROM events WHERE events.sequence = reasons.sequence)"
_MOMENT: Final = "unixepoch(" + _SAID_AT.format("at") + ")"
_EVENT: Final = _SAID_AT.format("event")
_INCIDENT: Final = ", ".join(f"'{name}'" for name in INCIDENT_EVENTS)
_OPENED: Final = "(SELECT openings.{} FROM openings WHERE openings.id = checks.opening)"
_REASON: Final = (
    f"CAST(sequence AS TEXT), {_SAID_AT.format('partner')}, NULL, {_SAID_AT.format('subject')}, {_MOMENT}, {_MOMENT}"
)

_QUERIES: Final[Mapping[Kind, _Query]] = MappingProxyType(
    {
        Kind.TRANSFERS: _Query(
            "transfers",
            "id, partner, flow, consignment, created, updated, direction, delivered_name, size, sha256",
            f"{_OVER} AND (state IN ('receipted', 'ingested', 'rejected', 'quarantined', 'expired', 'delivered') OR {_UNCONFIRMED})"
            " AND (custody = 0 OR direction = 'in') AND notify_pending = 0 AND spool_file IS NULL AND purge_name IS NULL"
            f" AND flow NOT IN ({_BOARD})",
        ),
        Kind.CONSIGNMENTS: _Query(
            "consignments",
            "id, partner, flow, id, created, updated",
            f"{_OVER} AND (state IN ('receipted', 'expired', 'delivered', 'quarantined') OR {_UNCONFIRMED})",
        ),
        Kind.RECEIPTS: _Query(
            "receipts",
            "consignment, partner, NULL, consignment, created, updated",
            f"{_OVER} AND state IN ('sent', 'accepted', 'quarantined')",
        ),
        Kind.REQUESTS: _Query(
            "requests", "id, partner, NULL, unit, created, updated", f"{_OVER} AND state NOT IN ('proposed', 'asked')"
        ),
        Kind.REASONS: _Query("reasons", _REASON, f"{_MOMENT} <= :until AND {_EVENT} NOT IN ({_INCIDENT})"),
        Kind.INCIDENT_REASONS: _Query("reasons", _REASON, f"{_MOMENT} <= :until AND {_EVENT} IN ({_INCIDENT})"),
        Kind.INCIDENTS: _Query(
            "quarantine", "id, partner, NULL, consignment, received, discarded", "discarded <= :until"
        ),
        Kind.HOLDS: _Query("holds", "id, partner, NULL, unit, created, released", "released <= :until"),
        Kind.PEOPLE: _Query("people", '"user", NULL, NULL, NULL, created, updated', f"{_OVER} AND state = 'left'"),
        # What a check that is not decided is about is needed until it is.
        Kind.OPENINGS: _Query(
            "openings",
            "id, partner, flow, unit, created, created",
            "created <= :until AND NOT EXISTS"
            " (SELECT 1 FROM checks WHERE checks.opening = openings.id AND checks.state != 'decided')",
        ),
        Kind.CHECKS: _Query(
            "checks",
            f"id, {_OPENED.format('partner')}, NULL, {_OPENED.format('unit')}, created, decided",
            "decided <= :until",
        ),
        Kind.PRINTINGS: _Query("printings", "id, NULL, NULL, NULL, created, created", "created <= :until"),
        Kind.INCIDENT_LOG: _Query(
            "incidents", "id, NULL, NULL, NULL, created, closed", "closed <= :until AND central = 0"
        ),
        Kind.CENTRAL_INCIDENTS: _Query(
            "incidents", "id, NULL, NULL, NULL, created, closed", "closed <= :until AND central = 1"
        ),
        Kind.FORMS: _Query("forms", "id, NULL, NULL, NULL, created, created", "created <= :until"),
    }
)
ROWS: Final = tuple(_QUERIES)
"""The kinds that are rows."""

_ALL: Final = 2**63 - 1
_FIRST: Final[Mapping[bool, int | str]] = MappingProxyType({True: "", False: -1})
"""What lies before every primary key, of text or of numbers."""


def due(connection: Connection, rule: Rule, after: int | str | None = None, most: int = _ALL) -> Iterator[Due]:
    """The rows of a kind whose time is over and in which something may name people, by their keys; at most so many of them."""
    if rule.until is None:
        return
    query = _QUERIES[rule.kind]
    key = KEY[query.table]
    said = " OR ".join(f"{name} != ''" for name in PERSONAL[query.table])
    start = _FIRST[query.table == "quarantine"] if after is None else after
    rows = driver_of(connection).execute(
        f"SELECT {key}, {query.fields} FROM {query.table}"  # noqa: S608 - names of this module
        f" WHERE {key} > :after AND {query.where} AND ({said}) ORDER BY {query.table}.{key} LIMIT :most",
        {"after": start, "until": rule.until, "most": most},
    )
    yield from map(Due._make, map(_padded, rows))


def _padded(row: Sequence[Any]) -> Sequence[Any]:
    return (
        (*row, *tuple(Due._field_defaults.values())[len(row) - len(Due._fields) :])
        if len(row) < len(Due._fields)
        else row
    )


def is_held(found: Due, holds: Held) -> bool:
    """Whether a legal hold keeps a row."""
    return holds.covers(found.partner, found.subject, found.owner)


def erase(
    transaction: Transaction, rule: Rule, after: int | str | None, most: int, waiting: Collection[int | str] = ()
) -> tuple[list[Due], int | str | None]:
    """Erase the next rows of a kind, but for those that a legal hold covers, or that wait for something else (`waiting`, by their keys): which they were, and the
    last key that was looked at, None where there is nothing more.
    """
    looked_at = list(due(transaction.connection, rule, after, most))
    if not looked_at:
        return [], None
    holds = held(transaction.connection)
    gone = [each for each in looked_at if not is_held(each, holds) and each.key not in waiting]
    table = _QUERIES[rule.kind].table
    driver = driver_of(transaction.connection)
    _empty(driver, table, [each.key for each in gone])
    if rule.kind is Kind.TRANSFERS:
        forget(transaction.connection, [int(each.key) for each in gone])
    for each in gone:
        detail = {"rule": str(rule), "kind": str(rule.kind), "made": to_text(each.made)[:10]}
        if each.flow is not None:
            detail["flow"] = each.flow
        transaction.note(f"{NOUN[table]}.erased", NOUN[table], each.subject, each.partner, detail)
    return gone, looked_at[-1].key


def _empty(driver: Driver, table: str, keys: Sequence[int | str]) -> None:
    """Empty the personal columns of rows; the salt remembers their digest."""
    columns = METADATA.tables[table].columns
    emptied = ", ".join(f"{name} = {'NULL' if columns[name].nullable else repr('')}" for name in PERSONAL[table])
    changed = [
        (ERASED + personal_digest(table, dict(zip(COLUMNS[table], values, strict=True))), key)
        for key, values in stored_rows(driver, table, keys)
    ]
    driver.executemany(f"UPDATE {table} SET {emptied}, {SALT} = ? WHERE {KEY[table]} = ?", changed)  # noqa: S608 - names


def size_of(connection: Connection) -> int:
    """Bytes of the ledger, with its indices."""
    if sqlite_of(connection) is None:
        here = "relnamespace = current_schema()::regnamespace AND relkind = 'r'"
        query = f"SELECT coalesce(sum(pg_total_relation_size(oid)), 0)::bigint FROM pg_class WHERE {here}"  # noqa: S608
        return int(connection.exec_driver_sql(query).scalar_one())
    pages, each = (connection.exec_driver_sql(f"PRAGMA page_{what}").scalar_one() for what in ("count", "size"))
    return int(pages * each)


def truncate_log(connection: Connection) -> bool:
    """Write everything into the ledger's file and empty its -wal, where older pages lie; False where somebody still reads them.
    PostgreSQL's log is its server's business.
    """
    driver = sqlite_of(connection)
    if driver is None:
        return True
    busy, *_ = driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def compact(connection: Connection, directory: Path) -> None:
    """Write the ledger's file anew: pages that were split keep old bytes in their free space, `secure_delete` or not.

    What SQLite writes down meanwhile lies in `directory`, not in the system's own for such files. Nobody else writes to the ledger
    while it lasts.
    """
    driver = sqlite_of(connection)
    if driver is None:
        connection.rollback()  # the view, for this goes by no transaction
        connection.execution_options(isolation_level="AUTOCOMMIT")
        connection.exec_driver_sql(f"VACUUM (FULL) {', '.join(KEY)}")
        return
    place = str(directory).replace("'", "''")
    driver.execute(f"PRAGMA temp_store_directory = '{place}'")
    driver.execute("VACUUM")
