"""What people asked of a site, as people and scripts are shown it. Raises NotFound; nothing is changed.

The fields, in their order, are the contract of `--json`.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from gateway.administration.views.records import EventView, events
from gateway.domain.identity import to_text
from gateway.domain.requests import Act, RequestState
from gateway.errors import UsageWrong
from gateway.ledger import requests
from gateway.ledger.queries import requests as queries
from gateway.ledger.queries.events import events_of
from gateway.ledger.store import Connection
from gateway.ledger.units import Request
from gateway.settings.model import Settings

_DAY: Final = 86_400.0


@dataclass(frozen=True)
class RequestView:
    """What somebody asked, and what became of it. Times are RFC 3339, UTC.

    `argument` is what is asked for in particular, such as somebody's new roles. `people` is how many it takes, None of a command on the machine. `actor` asked, `decider` is the second person, who agreed or declined
    at `decided`. `ends` is when a proposal lapses, if nobody decides it before. `kind`, `unit`, `partner` and `became` say what a request that
    was done was about; `code`, `refusal` and `remedy` why one was refused.
    """

    id: str
    act: str
    subject: str
    argument: str | None
    state: str
    people: int | None
    asked: str
    actor: str
    reason: str
    decider: str | None
    decider_reason: str | None
    decided: str | None
    ends: str | None
    updated: str
    kind: str | None
    unit: str | None
    partner: str | None
    became: str | None
    code: str | None
    refusal: str | None
    remedy: str | None


@dataclass(frozen=True)
class RequestStory:
    """A request, and what the chain says of it: who asked, agreed, declined or withdrew it, when and why. The event of the act itself is
    about `request.unit`.
    """

    request: RequestView
    events: tuple[EventView, ...]


@dataclass(frozen=True)
class RequestPage:
    """Requests, the newest first. Another page begins before `before` and one after `after`; None at either end of the list."""

    rows: tuple[RequestView, ...]
    before: int | None
    after: int | None


def listed(
    settings: Settings,
    connection: Connection,
    limit: int,
    *,
    states: Collection[RequestState] = (),
    acts: Collection[Act] = tuple(Act),
    after: int | None = None,
    before: int | None = None,
) -> RequestPage:
    """At most `limit` requests after a place, or before one; in any state, or one of these, and for these acts."""
    found = queries.page(connection, limit, states=states, acts=acts, after=after, before=before)
    return RequestPage(tuple(_view(settings, row) for row in found.rows), found.before, found.after)


def open_about(
    settings: Settings, connection: Connection, acts: Collection[Act], subject: str
) -> tuple[RequestView, ...]:
    """The requests for these acts about a subject of which something still becomes, the oldest first."""
    return tuple(_view(settings, row) for row in queries.open_about(connection, acts, subject))


def story(settings: Settings, connection: Connection, identity: str) -> RequestStory:
    """All about the request of that id."""
    row = requests.find(connection, identity)
    about = [each for each in events_of(connection, [row.id]) if each.kind == requests.KIND]
    return RequestStory(_view(settings, row), events(connection, about))


def _view(settings: Settings, row: Request) -> RequestView:
    proposed = row.state is RequestState.PROPOSED
    return RequestView(
        id=row.id,
        act=str(row.act),
        subject=row.subject,
        argument=row.argument,
        state=str(row.state),
        people=row.takes,
        asked=to_text(row.created),
        actor=row.actor,
        reason=row.reason,
        decider=row.decider,
        decider_reason=row.decider_reason,
        decided=None if row.decided is None else to_text(row.decided),
        ends=to_text(row.created + settings.console.proposal_days * _DAY) if proposed else None,
        updated=to_text(row.updated),
        kind=row.kind,
        unit=row.unit,
        partner=row.partner,
        became=row.became,
        code=row.code,
        refusal=row.refusal,
        remedy=None if row.code == UsageWrong.code else row.remedy,  # which is how a command is called
    )
