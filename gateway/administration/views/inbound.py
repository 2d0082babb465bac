"""What was delivered, and not answered by the back office yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.administration.views.records import TransferView, moment, transfer
from gateway.ledger.queries.backlog import backlogs, by_keys, unanswered
from gateway.ledger.store import Connection
from gateway.settings.model import Settings


@dataclass(frozen=True)
class PendingFilter:
    """Which are meant: what waits for longer than so many seconds; None does not restrict."""

    older_than: float = 0.0
    flow: str | None = None
    partner: str | None = None


@dataclass(frozen=True)
class PendingTransfer(TransferView):
    """A transfer, when it was delivered, and for how many seconds it waits."""

    delivered: str | None
    age_seconds: int


@dataclass(frozen=True)
class PendingGroup:
    """How many files of a flow from a partner wait; of the oldest its id, the name that it was delivered under, and its age.

    `answer_days` is the agreed limit, 0 where there is none; `overdue` says whether the oldest has passed it.
    """

    flow: str
    partner: str
    number: int
    oldest: str
    oldest_name: str
    delivered: str | None
    age_seconds: int
    answer_days: int
    overdue: bool


def pending(
    connection: Connection, wanted: PendingFilter, now: float, limit: int | None = None
) -> Sequence[PendingTransfer]:
    """What waits, at most `limit`: by flow and partner, what has waited longest first."""
    rows = unanswered(connection, now - wanted.older_than, flow=wanted.flow, partner=wanted.partner, limit=limit)
    return [
        PendingTransfer(
            **vars(transfer(row)), delivered=moment(row.updated), age_seconds=max(0, int(now - row.updated))
        )
        for row in rows
    ]


def pending_groups(
    settings: Settings, connection: Connection, wanted: PendingFilter, now: float
) -> Sequence[PendingGroup]:
    """How much waits, by flow and partner."""
    found = backlogs(connection, now - wanted.older_than, flow=wanted.flow, partner=wanted.partner)
    oldest, groups = by_keys(connection, found), []
    for each in found:
        row, flow = oldest[each.key], settings.flows.get(each.flow)
        days, age = 0 if flow is None else flow.answer_days, max(0.0, now - each.oldest)
        groups.append(
            PendingGroup(
                flow=each.flow,
                partner=each.partner,
                number=each.number,
                oldest=row.id,
                oldest_name=row.delivered_name or row.name,
                delivered=moment(each.oldest),
                age_seconds=int(age),
                answer_days=days,
                overdue=0 < days * 86400.0 <= age,
            )
        )
    return groups
