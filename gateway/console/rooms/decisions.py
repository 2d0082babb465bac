"""What waits for whoever asks: requests that this person may decide as the second one, and management checks where this person is next."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from gateway.administration.looking import checking
from gateway.administration.views.requests import RequestView, listed
from gateway.console.rooms.asked import WORDS, act_of, shown_acts
from gateway.console.visits import Visit
from gateway.domain.checks import CheckState
from gateway.domain.identity import to_text
from gateway.domain.people import Right
from gateway.domain.requests import RequestState
from gateway.ledger.store import Connection

MOST: Final = 100
"""Requests that are looked at."""


@dataclass(frozen=True)
class Decision:
    """Since when it waits (RFC 3339, UTC), what it is, and the page where it is decided."""

    since: str
    words: str
    path: str


def proposals(visit: Visit, connection: Connection) -> tuple[RequestView, ...]:
    """What waits for a second person, as far as it is the reader's business, the newest first: at most MOST."""
    settings = visit.console.settings
    return listed(settings, connection, MOST, states=[RequestState.PROPOSED], acts=shown_acts(visit)).rows


def mine(visit: Visit, connection: Connection, proposed: Sequence[RequestView]) -> list[Decision]:
    """What this person may decide of these, then the checks."""
    return [*_requests(visit, proposed), *_checks(visit, connection)]


def _requests(visit: Visit, proposed: Sequence[RequestView]) -> Iterator[Decision]:
    for each in proposed:
        act = act_of(each)
        if visit.may(act.right) and visit.user not in (each.actor, each.subject):
            words = f"{WORDS[act]}: {each.subject}, asked by {each.actor}"
            yield Decision(each.asked, words, f"/requests/{each.id}")


def _checks(visit: Visit, connection: Connection) -> Iterator[Decision]:
    for each in checking.outstanding(connection, visit.user):
        if each.user == visit.user and each.state == CheckState.ACKNOWLEDGED:
            yield Decision(to_text(each.created), "Check: say what papers there were (LAST 1)", f"/checks/{each.id}")
        elif each.user != visit.user and each.state == CheckState.EXPLAINED and visit.may(Right.CHECK):
            yield Decision(to_text(each.created), f"Check of an access by {each.user}: decide", f"/checks/{each.id}")
