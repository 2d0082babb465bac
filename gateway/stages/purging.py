"""Purge: delivered files that went on to another authority leave spool/inbound.

The row of such a transfer names its file in `purge_name` until the file is durably gone, so the next call finishes what
broke off. Raises DiskFailed, NotPermitted and what the ledger raises. Only the very bytes that were delivered are
removed; what the back office has put there under the name meanwhile stays.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.ledger.queries import custody
from gateway.ledger.store import Ledger
from gateway.ledger.tables import TRANSFERS
from gateway.ledger.units import Transfer, required
from gateway.settings.home import Home
from gateway.settings.naming import MARKER
from gateway.spool.delivered import DeliveredFile, remove_delivered


def purge(home: Home, ledger: Ledger) -> None:
    """Remove the files that rows name in `purge_name`. They are read, to compare their bytes, outside of any transaction."""
    with ledger.read() as connection:
        rows = custody.to_purge(connection)
    for row in rows:
        remove_delivered(home.inbound, delivered_as(row, (required(row.purge_name),)), MARKER)
    if rows:
        with ledger.write() as transaction:
            transaction.set(TRANSFERS, [row.key for row in rows], purge_name=None)


def delivered_as(row: Transfer, names: Sequence[str]) -> DeliveredFile:
    """A transfer's file in spool/inbound, under the first of these names that it has."""
    return DeliveredFile(row.flow, row.partner, tuple(names), row.size, row.sha256)
