"""What was delivered, and not answered by the back office yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.administration.views.records import TransferView, moment, transfer
from gateway.ledger.queries.back_office_answers import unanswered
from gateway.ledger.store import Connection


@dataclass(frozen=True)
class PendingTransfer(TransferView):
    """A transfer, when it was delivered, and for how many seconds it waits."""

    delivered: str | None
    age_seconds: int


def pending(connection: Connection, now: float, older_than: float = 0.0) -> Sequence[PendingTransfer]:
    """What waits for longer than so many seconds: by flow and partner, what has waited longest first."""
    return [
        PendingTransfer(
            **vars(transfer(row)), delivered=moment(row.updated), age_seconds=max(0, int(now - row.updated))
        )
        for row in unanswered(connection, now - older_than)
    ]
