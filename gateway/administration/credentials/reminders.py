"""Reminders: what ends within 14, 7, 3 and 1 days, told to the chain once a step: passwords, passkeys with them, and tokens of programs.

The people themselves are told by the console's pages. The chain has user ids and names of tokens, for whoever makes new links and tokens; a notice
has neither. Whoever may not sign in is left out. Raises what the store and the ledger raise.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from gateway.administration.credentials.context import CredentialContext
from gateway.administration.credentials.refusals import TOKEN
from gateway.domain.identity import to_text
from gateway.domain.people import PersonState
from gateway.events import Event
from gateway.ledger.people import KIND
from gateway.ledger.queries.events import last_details
from gateway.ledger.queries.people import find_person
from gateway.ledger.store import Connection

STEPS: Final = (14, 7, 3, 1)
"""Days before the end. One that is no shorter than what it reminds of is left out."""
EVERY_SECONDS: Final = 3600.0
_DAY: Final = 86_400.0


@dataclass(frozen=True)
class Ending:
    """Something that ends: whose it is, what it is in the chain, since when it is good, and until when (seconds since 1970)."""

    event: Event
    kind: str
    subject: str
    owner: str
    begins: float
    ends: float

    def step(self, now: float) -> int | None:
        """Which reminder is due: the days of its step. None while it is far off, once it has ended, and where the clock was set back."""
        left, whole = self.ends - now, self.ends - self.begins
        if left <= 0 or now < self.begins:
            return None
        return min((days for days in STEPS if left <= days * _DAY < whole), default=None)


def endings(context: CredentialContext) -> list[Ending]:
    """All passwords and tokens there are."""
    whole = context.settings.credential_days * _DAY
    with context.store.read() as records:
        passwords, tokens = records.credentials(), records.tokens()
    return [
        *(Ending(Event.PASSWORD_EXPIRING, KIND, p.user, p.user, p.set_at, p.set_at + whole) for p in passwords),
        *(Ending(Event.TOKEN_EXPIRING, TOKEN, t.name, t.owner, t.created, t.ends) for t in tokens),
    ]


def password_ends(context: CredentialContext) -> dict[str, str]:
    """Until when everybody's password is good (RFC 3339, UTC), by user id."""
    return {each.owner: to_text(each.ends) for each in endings(context) if each.kind == KIND}


def remind(context: CredentialContext) -> int:
    """Tell what is due and was not told; how many reminders. For any number of consoles: the last look is in the transaction that tells."""
    now = context.clock()
    near = [each for each in endings(context) if each.step(now) is not None]
    with context.ledger.read() as connection:
        if not _fresh(connection, near, now):
            return 0
    with context.ledger.write() as transaction:
        due = _fresh(transaction.connection, near, now)
        for each in due:
            days, end = each.step(now), to_text(each.ends)
            transaction.record(each.event, each.kind, each.subject, log={"user": each.owner}, days=days, due=end)
    return len(due)


def _fresh(connection: Connection, near: Iterable[Ending], now: float) -> list[Ending]:
    """Those whose owner may sign in, and of which the chain does not say the same already."""
    due: list[Ending] = []
    for event in (Event.PASSWORD_EXPIRING, Event.TOKEN_EXPIRING):
        these = [each for each in near if each.event is event]
        said = last_details(connection, [event], [each.subject for each in these])
        for each in these:
            _, before = said.get(each.subject, ("", {}))
            if (before.get("days"), before.get("due")) == (each.step(now), to_text(each.ends)):
                continue
            person = find_person(connection, each.owner)
            if person is not None and person.state is PersonState.ACTIVE:
                due.append(each)
    return due
