"""What went and what came. Raises nothing of its own."""

from __future__ import annotations

from dataclasses import dataclass

from gateway.administration.views.records import TransferView, transfer
from gateway.administration.views.waiting import Waiting
from gateway.ledger.queries import overview
from gateway.ledger.store import Connection
from gateway.settings.model import Settings


@dataclass(frozen=True)
class TransferFilter:
    """Which transfers are meant; None does not restrict.

    `since` and `before` are about when they were submitted, or came: seconds since 1970.
    """

    direction: str | None = None
    partner: str | None = None
    flow: str | None = None
    state: str | None = None
    since: float | None = None
    before: float | None = None


@dataclass(frozen=True)
class ListedTransfer(TransferView):
    """A transfer, and why it has not gone yet where it is ready; the contract of `transfers --json`."""

    waits: str | None


@dataclass(frozen=True)
class TransferList:
    """The newest transfers, the newest last, and how many there are in all."""

    transfers: tuple[ListedTransfer, ...]
    total: int


def transfers(
    settings: Settings, connection: Connection, wanted: TransferFilter, limit: int | None, now: float
) -> TransferList:
    """The newest `limit` of the transfers that are meant; all of them where it is None."""
    rows = overview.transfers(connection, **vars(wanted), limit=limit)
    total = len(rows)
    if limit is not None and total == limit:
        total = overview.count_transfers(connection, **vars(wanted))
    waiting = Waiting(settings, now)
    listed = tuple(ListedTransfer(**vars(transfer(row)), waits=waiting.of_transfer(row)) for row in reversed(rows))
    return TransferList(listed, total)
