"""What triage remembers of documents: keyed digests of their records, by transfer; looked up and written a batch at once.

A digest is 64 bits of an HMAC, as a number: the index of numbers is small, and among ten million numbers that any two
are the same by chance has a probability of three in a million. `day` is the day of a decision as a number (`date.toordinal`), `at` the last event of the chain
when the file was judged: what was judged before another has the lower pair of `at` and transfer. Rows go with what may name people
in their transfer (`ledger.retention`). Raises what the driver raises.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Final, NamedTuple

import orjson
from sqlalchemy import Connection

from gateway.domain.states import Direction, State
from gateway.errors import ReceiptAwaited
from gateway.ledger.engine import driver_of
from gateway.ledger.store import Transaction

_SEEN: Final = (
    "SELECT digest, min(transfer), max(coalesce(day, 0)) FROM marks"
    " WHERE digest IN (SELECT value FROM json_each(:digests)) AND {} AND NOT EXISTS"
    " (SELECT 1 FROM transfers t WHERE t.key = marks.transfer AND t.direction = :out AND t.state IN (:rejected, :quarantined, :expired)"
    " AND coalesce(t.code, '') <> :awaited) GROUP BY digest"
)
"""What came back to its sender was nowhere before: as in `queries.duplicates`."""
_CAME_BACK: Final = {
    "out": str(Direction.OUT),
    "rejected": str(State.REJECTED),
    "quarantined": str(State.QUARANTINED),
    "expired": str(State.EXPIRED),
    "awaited": ReceiptAwaited.code,
}


class RecordNumbers(NamedTuple):
    """Of one record: the keyed digests of what it says, of its award where that has a `day`, and of its claims."""

    record: int
    fact: int
    award: int | None
    day: int
    claims: Sequence[int] = ()


class Seen(NamedTuple):
    """What was there of a digest: the first transfer that had it, and the latest day, 0 where none has one."""

    transfer: int
    day: int


def judged_at(connection: Connection, transfers: Collection[int]) -> dict[int, int]:
    """When these transfers were judged, by their keys; those that never were are not in it."""
    rows = driver_of(connection).execute(
        "SELECT transfer, min(at) FROM marks WHERE transfer IN (SELECT value FROM json_each(?)) GROUP BY transfer",
        (orjson.dumps(list(transfers)).decode(),),
    )
    return dict(rows.fetchall())


def seen(
    connection: Connection, records: Iterable[RecordNumbers], before: tuple[int, int] | None = None
) -> dict[int, Seen]:
    """What is known of what these records say, and of their awards: of all transfers that did not come back to their sender, or of those
    that were judged before one, by its `at` and key.
    """
    digests = [number for each in records for number in each[1:3] if number is not None]
    wanted: dict[str, object] = {"digests": orjson.dumps(digests).decode(), "at": 0, "transfer": 0, **_CAME_BACK}
    condition = "1 = 1"
    if before is not None:
        wanted["at"], wanted["transfer"] = before
        condition = "(at, transfer) < (:at, :transfer)"
    rows = driver_of(connection).execute(_SEEN.format(condition), wanted)
    return {digest: Seen(transfer, day) for digest, transfer, day in rows}


def remember(transaction: Transaction, files: Mapping[int, Sequence[RecordNumbers]]) -> None:
    """Keep the numbers of these transfers; those that are there already stay as they are."""
    if not files:
        return
    at = transaction.head().sequence
    rows: list[tuple[int, int, int, int | None, int]] = []
    claims = []
    for transfer, records in files.items():
        for record, fact, award, day, several in records:
            rows.append((fact, transfer, record, None, at))
            if award is not None:
                rows.append((award, transfer, record, day, at))
            claims += [(transfer, record, claim) for claim in several]
    # In the order of the tables, so that each page is looked up once.
    rows.sort(key=itemgetter(0))
    claims.sort()
    driver = driver_of(transaction.connection)
    driver.executemany(
        "INSERT INTO marks (digest, transfer, record, day, at) VALUES (?, ?, ?, ?, ?) ON CONFLICT DO NOTHING", rows
    )
    driver.executemany(
        "INSERT INTO claim_marks (transfer, record, digest) VALUES (?, ?, ?) ON CONFLICT DO NOTHING", claims
    )


def forget(connection: Connection, transfers: Sequence[int]) -> None:
    """Remove the rows of these transfers."""
    for table in ("marks", "claim_marks"):
        driver_of(connection).executemany(
            f"DELETE FROM {table} WHERE transfer = ?",  # noqa: S608 - names of this module
            [(key,) for key in transfers],
        )


def of_claim(connection: Connection, digest: int) -> Mapping[int, list[int]]:
    """The transfers with this claim, with the numbers of their records, in order: the whole table is read, a second for ten million."""
    found: dict[int, list[int]] = {}
    rows = driver_of(connection).execute(
        "SELECT transfer, record FROM claim_marks WHERE digest = ? ORDER BY transfer, record", (digest,)
    )
    for transfer, record in rows:
        found.setdefault(transfer, []).append(record)
    return found


def ids_of(connection: Connection, keys: Collection[int]) -> dict[int, str]:
    """The ids of transfers by their keys."""
    rows = driver_of(connection).execute(
        "SELECT key, id FROM transfers WHERE key IN (SELECT value FROM json_each(?))",
        (orjson.dumps(list(keys)).decode(),),
    )
    return dict(rows.fetchall())
