"""Sessions: who somebody is from one page to the next, as the server has it. The browser has a random token, and the store its SHA-256.

A session ends by itself when nobody used it for a while, when it is a working day old, and when anything about the person changed in the
ledger: each look compares with the ledger's word, so rights end at once whoever ends them. One that begins in the future was made
before the clock was set back, and has ended. Every end is an event. Raises what the store and the ledger raise.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gateway.administration.credentials.context import CredentialContext, digest_of
from gateway.administration.credentials.rows import StoredSession
from gateway.administration.credentials.store import Records
from gateway.domain.people import Person, PersonRole, PersonState
from gateway.ledger.people import KIND
from gateway.ledger.queries.people import find_person
from gateway.settings.console import ConsoleSettings

_DAY: Final = 86_400.0
_SEEN_SECONDS: Final = 30.0
"""A page within so many seconds of the last one is not worth a write."""


@dataclass(frozen=True)
class Session:
    """Somebody who is signed in: the person as the ledger has them now, when the session ends at the latest, and for how many days
    the password is still good; `remind` where that is to be said.
    """

    person: Person
    ends: float
    days_left: int
    remind: bool


def look(context: CredentialContext, token: str, *, used: bool = True) -> Session | None:
    """Whose session it is; None where there is none, or it has ended. A page that asks by itself is no use: `used` False."""
    with context.store.read() as records:
        stored = records.session(digest_of(token))
        if stored is None:
            return None
        credential = records.credential(stored.user)
    now = context.clock()
    person, outcome = _standing(context, stored, now)
    if person is None or (credential is None and not stored.by_provider):
        with context.store.write() as records:
            _end(context, records, stored, outcome or "password")
        return None
    if used and not 0 <= now - stored.seen < _SEEN_SECONDS:
        with context.store.write() as records:
            records.see_session(stored.sha256, now)
    return session_of(
        context, person, stored.started, None if credential is None or stored.by_provider else credential.set_at
    )


def session_of(context: CredentialContext, person: Person, started: float, set_at: float | None) -> Session:
    """A person's session that began then, with a password of then; None where it began at the identity provider."""
    left = context.settings.credential_days if set_at is None else days_left(context, set_at)
    ends = started + context.settings.session_hours * 3600.0
    return Session(person, ends, left, set_at is not None and left <= context.settings.remind_days)


def may_use_password(settings: ConsoleSettings, person: Person) -> bool:
    """Whether somebody may sign in by a password of the console: beside an identity provider by its setting `passwords`."""
    provider = settings.identity_provider
    return provider is None or provider.passwords == "everybody" or PersonRole.ADMINISTRATOR in person.roles


def days_left(context: CredentialContext, set_at: float) -> int:
    """For how many whole days more a password of then is good; below 0 where it is not."""
    return int((set_at + context.settings.credential_days * _DAY - context.clock()) // _DAY)


def sign_out(context: CredentialContext, token: str) -> bool:
    """End a session by its owner's wish; nothing where there is none. Whether it began at the identity provider."""
    with context.store.write() as records:
        stored = records.session(digest_of(token))
        if stored is not None:
            _end(context, records, stored, "signed-out")
    return stored is not None and stored.by_provider


def sign_out_everywhere(context: CredentialContext, user: str) -> int:
    """End all sessions of somebody; how many there were."""
    with context.store.write() as records:
        return end_all(context, records, user, "signed-out")


def sweep(context: CredentialContext) -> int:
    """End what has ended while nobody looked, and forget old failures and the passwords of whoever has left: from time to time. How
    many sessions ended.
    """
    ended = 0
    with context.store.write() as records:
        now = (
            context.clock()
        )  # not before nobody else writes: a session that began meanwhile would be one of the future
        records.clear_failures(now)
        for stored in records.sessions():
            person, outcome = _standing(context, stored, now)
            if person is None:
                _end(context, records, stored, outcome)
                ended += 1
        with context.ledger.read() as connection:
            people = {user: find_person(connection, user) for user in records.users()}
        for user, person in people.items():
            if person is None or person.state is PersonState.LEFT:
                records.forget(user)
    return ended


def end_all(context: CredentialContext, records: Records, user: str, outcome: str, but: str = "") -> int:
    """End all sessions of somebody, within a transaction, but the one of that token; how many there were."""
    found = [stored for stored in records.sessions(user) if stored.sha256 != digest_of(but)]
    for stored in found:
        _end(context, records, stored, outcome)
    return len(found)


def _standing(context: CredentialContext, stored: StoredSession, now: float) -> tuple[Person | None, str]:
    """The person, where the session goes on; else None, and why it has ended."""
    if not 0 <= now - stored.started < context.settings.session_hours * 3600.0:
        return None, "over"
    if now - stored.seen >= context.settings.idle_minutes * 60.0:
        return None, "idle"
    with context.ledger.read() as connection:
        person = find_person(connection, stored.user)
    if person is None or person.state is not PersonState.ACTIVE or person.changes != stored.changes:
        return None, "rights"
    if stored.by_provider:
        still = context.settings.identity_provider is not None
    else:
        still = may_use_password(context.settings, person)
    return (person, "") if still else (None, "configuration")


def _end(context: CredentialContext, records: Records, stored: StoredSession, outcome: str) -> None:
    if records.end_session(stored.sha256):
        with context.ledger.write() as transaction:
            transaction.record("session.ended", KIND, stored.user, log={"user": stored.user}, outcome=outcome)
