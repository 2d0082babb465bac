"""What triage remembers of documents: keyed digests of their records, by transfer; looked up and written a batch at once.

A digest is 64 bits of an HMAC, as a number: the index of numbers is small, and among ten million numbers that any two
are the same by chance has a probability of three in a million. `day` is the day of a decision as a number (`date.toordinal`), `at` the last event of the chain
when the file was judged: what was judged before another has the lower pair of `at` and transfer. Rows go with what may name people
in their transfer (`ledger.retention`). Raises what the driver raises.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Final, NamedTuple

import orjson
from sqlalchemy import Connection

from gateway.ledger.engine import driver_of
from gateway.ledger.store import Transaction

_SEEN: Final = (
    "SELECT digest, min(transfer), max(day) FROM marks"
    " WHERE digest IN (SELECT value FROM json_each(:digests)) AND {} GROUP BY digest"
)


class Mark(NamedTuple):
    """One row; see the module."""

    digest: int
    transfer: int
    record: int
    day: int | None


class Seen(NamedTuple):
    """What was there of a digest: the first transfer that had it, and the latest day."""

    transfer: int
    day: int | None


def judged_at(connection: Connection, transfers: Collection[int]) -> dict[int, int]:
    """When these transfers were judged, by their keys; those that never were are not in it."""
    rows = driver_of(connection).execute(
        "SELECT transfer, min(at) FROM marks WHERE transfer IN (SELECT value FROM json_each(?)) GROUP BY transfer",
        (orjson.dumps(list(transfers)),),
    )
    return dict(rows.fetchall())


def seen(connection: Connection, digests: Iterable[int], before: tuple[int, int] | None = None) -> dict[int, Seen]:
    """What is known of these digests: of all transfers, or of those that were judged before one, by its `at` and key."""
    wanted = {"digests": orjson.dumps(list(digests)), "at": 0, "transfer": 0}
    condition = "1"
    if before is not None:
        wanted["at"], wanted["transfer"] = before
        condition = "(at, transfer) < (:at, :transfer)"
    rows = driver_of(connection).execute(_SEEN.format(condition), wanted)
    return {digest: Seen(transfer, day) for digest, transfer, day in rows}


def remember(transaction: Transaction, marks: Sequence[Mark]) -> None:
    """Keep these rows; one that is there already stays as it is."""
    if marks:
        at = transaction.head().sequence
        driver_of(transaction.connection).executemany(
            "INSERT OR IGNORE INTO marks (digest, transfer, record, day, at) VALUES (?, ?, ?, ?, ?)",
            [(*mark, at) for mark in sorted(marks)],  # in the order of the table, so that each page is looked up once
        )


def forget(connection: Connection, transfers: Sequence[int]) -> None:
    """Remove the rows of these transfers."""
    driver_of(connection).executemany("DELETE FROM marks WHERE transfer = ?", [(key,) for key in transfers])


def having(connection: Connection, digests: Collection[int]) -> Mapping[int, list[int]]:
    """The transfers that have one of these digests, with the numbers of their records, in order."""
    found: dict[int, set[int]] = {}
    rows = driver_of(connection).execute(
        "SELECT transfer, record FROM marks WHERE digest IN (SELECT value FROM json_each(?))",
        (orjson.dumps(list(digests)),),
    )
    for transfer, record in rows:
        found.setdefault(transfer, set()).add(record)
    return {transfer: sorted(records) for transfer, records in sorted(found.items())}


def ids_of(connection: Connection, keys: Collection[int]) -> dict[int, str]:
    """The ids of transfers by their keys."""
    rows = driver_of(connection).execute(
        "SELECT key, id FROM transfers WHERE key IN (SELECT value FROM json_each(?))", (orjson.dumps(list(keys)),)
    )
    return dict(rows.fetchall())
