"""Purge: delivered files that went on to another authority leave spool/inbound.

The row of such a transfer names its file in `purge_name` until the file is durably gone, so the next call finishes what
broke off. Raises DiskFailed, NotPermitted and what the ledger raises. Only the very bytes that were delivered are
removed; what the back office has put there under the name meanwhile stays.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from gateway.ledger.queries import custody
from gateway.ledger.store import Ledger
from gateway.ledger.tables import TRANSFERS
from gateway.ledger.units import Transfer, required
from gateway.settings.home import Home
from gateway.settings.model import Settings
from gateway.settings.naming import MARKER, expand
from gateway.settings.shared_place import is_away
from gateway.spool.delivered import DeliveredFile, remove_delivered
from gateway.spool.names import safe_name, second_name


def purge(home: Home, ledger: Ledger) -> None:
    """Remove the files that rows name in `purge_name`. They are read, to compare their bytes, outside of any transaction. Where the shared
    directory is not mounted nothing can be told of them: that is for the next call.
    """
    if is_away(home.inbound):
        return
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


def delivered_names(settings: Settings, row: Transfer) -> list[str]:
    """The name that the file was delivered under; where the ledger does not know it, those that it may have."""
    if row.delivered_name is not None:
        return [row.delivered_name]
    template = settings.flows[row.flow].inbound_name
    came = datetime.fromtimestamp(row.created, UTC).date()
    named = expand(template, name=row.name, transfer=row.id, partner=row.partner, flow=row.flow, day=came)
    # Its second name first: the plain one may belong to the same bytes from another transfer.
    return [name for first in (safe_name(named), row.name) for name in (second_name(first, row.id), first)]
