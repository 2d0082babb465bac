"""The conversation that a transfer belongs to, as people and scripts are shown it. Raises nothing of its own."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Final

from gateway.administration.views.records import EventView, events, moment
from gateway.ledger.chain import ChainEntry
from gateway.ledger.queries.conversation import Link, Member, conversation
from gateway.ledger.queries.events import events_of
from gateway.ledger.store import Connection
from gateway.ledger.units import Transfer

_WORDS: Final = {
    (Link.PASSED_ON, True): "passes on {}",
    (Link.PASSED_ON, False): "was passed on as {}",
    (Link.ANSWER, True): "answers {}",
    (Link.ANSWER, False): "is answered by {}",
    (Link.AGAIN, True): "was sent after {}",
    (Link.AGAIN, False): "was followed by {}",
    (Link.SAME, True): "has the same bytes as {}",
    (Link.SAME, False): "has the same bytes as {}",
}
"""How a member belongs to another one, by the link and whether it is the later of the two."""


@dataclass(frozen=True)
class ConversationMember:
    """A transfer of a conversation. `asked` marks the one that was asked for; of the others `link` and `other` say by what they belong
    to which one, and `words` the same for people. `events` are about the transfer alone, not about what carried it.
    """

    id: str
    direction: str
    flow: str
    partner: str
    name: str
    state: str
    code: str | None
    reason: str | None
    created: str | None
    updated: str | None
    asked: bool
    link: str | None
    other: str | None
    words: str | None
    events: tuple[EventView, ...]


@dataclass(frozen=True)
class ConversationView:
    """The members in the order in which they came to this site, and how many more there are."""

    members: tuple[ConversationMember, ...]
    more: int


def conversation_of(connection: Connection, row: Transfer) -> ConversationView | None:
    """The conversation of a transfer; None where it stands alone."""
    found = conversation(connection, row)
    if len(found.members) == 1:
        return None
    about: defaultdict[tuple[str, str | None], list[ChainEntry]] = defaultdict(list)
    for entry in events_of(connection, [each.row.id for each in found.members]):
        if entry.kind == "transfer":
            about[entry.subject, entry.partner].append(entry)
    return ConversationView(
        tuple(
            _member(each, events(connection, about[each.row.id, each.row.partner]), asked=each.row.key == row.key)
            for each in found.members
        ),
        found.more,
    )


def _member(each: Member, said: tuple[EventView, ...], *, asked: bool) -> ConversationMember:
    row = each.row
    return ConversationMember(
        id=row.id,
        direction=row.direction,
        flow=row.flow,
        partner=row.partner,
        name=row.delivered_name or row.name,
        state=row.state,
        code=row.code,
        reason=row.reason,
        created=moment(row.created),
        updated=moment(row.updated),
        asked=asked,
        link=each.link,
        other=each.other,
        words=None if each.link is None else _WORDS[each.link, each.later].format(each.other),
        events=said,
    )
