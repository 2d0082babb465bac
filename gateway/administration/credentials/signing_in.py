"""Signing in: user id, password and code at once, and one answer for whatever of it is wrong. `passkeys` has the other way, by the same counts.

An attempt is counted as failed before it is made (`lockout`), so that many at once are no more guesses than one after the other. A user id
that there is not takes as long, waits as long and is answered as any other. A code is taken once. What follows is a new session, whatever
session the browser had before. Raises SignInRefused, SignInLocked, SignInElsewhere, CredentialsExpired, PasswordRefused, and what the store and
the ledger raise.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import ceil
from typing import Final

from gateway.administration.credentials import second_factor
from gateway.administration.credentials.context import CredentialContext, digest_of
from gateway.administration.credentials.lockout import Failures, of_address, of_person
from gateway.administration.credentials.passwords import require_good
from gateway.administration.credentials.refusals import sign_in_locked, sign_in_refused
from gateway.administration.credentials.rows import Credential, StoredSession
from gateway.administration.credentials.sessions import (
    Session,
    days_left,
    end_all,
    may_use_password,
    session_of,
    sign_out,
)
from gateway.administration.credentials.store import Records
from gateway.domain.people import Person, PersonState
from gateway.errors import CredentialsExpired, PasswordRefused, SignInElsewhere, SignInLocked, SignInRefused
from gateway.ledger.people import KIND
from gateway.ledger.queries.people import find_person

_LONGEST_USER: Final = 32


@dataclass(frozen=True)
class Attempt:
    """What somebody typed, and the address from which it came."""

    user: str
    password: str
    code: str
    address: str


@dataclass(frozen=True)
class Known:
    """Somebody who has proved to be who they say: the person, the credential that proved it, and the code's time step."""

    person: Person
    credential: Credential
    step: int


@dataclass(frozen=True)
class Counted:
    """An attempt that is counted: the digests of user id and address, the person's failures with it, when the address was free
    before it, and what is known of that user id.
    """

    who: str
    where: str
    failures: int
    free_at: float
    credential: Credential | None


def sign_in(context: CredentialContext, attempt: Attempt, before: str | None = None) -> tuple[str, Session]:
    """A new session's token, and the session. `before` is the token that the browser had: it ends."""
    known = prove(context, attempt)

    def is_good(records: Records) -> bool:
        return not _changed(records, known)

    return begin(context, known.person, known.credential, attempt.address, before, is_good, act="password")


def begin(
    context: CredentialContext,
    person: Person,
    credential: Credential,
    address: str,
    before: str | None,
    is_good: Callable[[Records], bool],
    act: str,
) -> tuple[str, Session]:
    """A session of somebody who has proved who they are by the way `act`, as the chain tells it. SignInElsewhere where the person is to sign
    in by the identity provider; CredentialsExpired where the password is past its time; SignInRefused where the person was changed
    meanwhile, or `is_good` says no of what proved it.
    """
    if not may_use_password(context.settings, person):
        sign_in_refused(context, address, person.user, context.store.digest("user", person.user))
        raise SignInElsewhere
    if days_left(context, credential.set_at) < 0:
        raise CredentialsExpired
    if before is not None:
        sign_out(context, before)
    token, now = context.token(), context.clock()
    with context.store.write() as records:
        with context.ledger.write() as transaction:
            if find_person(transaction.connection, person.user) != person or not is_good(records):
                raise SignInRefused
            log = {"address": address, "user": person.user}
            transaction.record("signin.accepted", KIND, person.user, log=log, act=act)
        records.start_session(StoredSession(digest_of(token), person.user, person.changes, now, now))
    return token, session_of(context, person, now, credential.set_at)


def renew(context: CredentialContext, attempt: Attempt, password: str) -> None:
    """Set a new password by the old one and a code, before its end and as long again after it; all sessions end.

    CredentialsExpired where the old one is older than that: then a new link is needed.
    """
    known = prove(context, attempt)
    person, credential = known.person, known.credential
    if days_left(context, credential.set_at) < -context.settings.credential_days:
        raise CredentialsExpired("the password is so far past its time that only a new link helps")
    require_good(password, person.user, person.name, context.site)
    if context.passwords.verify(credential.password, password):
        raise PasswordRefused("the password is the one before")
    hashed = context.passwords.hash(password)
    with context.store.write() as records:
        if _changed(records, known):
            raise SignInRefused  # somebody else set one meanwhile
        records.keep_credential(replace(credential, password=hashed, set_at=context.clock(), step=known.step))
        end_all(context, records, person.user, "password")
        with context.ledger.write() as transaction:
            transaction.record("password.set", KIND, person.user, log={"user": person.user}, act="renewal")


def prove(context: CredentialContext, attempt: Attempt) -> Known:
    """Whose password and code these are; the code is used up. SignInRefused or SignInLocked, which are counted and told, for anything else."""
    context.passwords.prepare()
    now, user = context.clock(), attempt.user.strip()
    with context.ledger.read() as connection:
        person = find_person(connection, user) if len(user) <= _LONGEST_USER else None
    counted = count(context, attempt.address, user)
    credential = counted.credential
    right = context.passwords.verify(None if credential is None else credential.password, attempt.password)
    step = None
    if right and person is not None and credential is not None and person.state is PersonState.ACTIVE:
        step = second_factor.step_of(credential.secret, attempt.code, now)
        if step is not None and _use(context, counted, user, step):
            return Known(person, credential, step)
    raise refused(context, attempt.address, counted, None if person is None else person.user)


def count(context: CredentialContext, address: str, user: str) -> Counted:
    """Count an attempt as failed; SignInLocked where it is not taken yet. The moment is that at which nobody else counts: of an earlier one,
    the failures before it would be of the future, and forgotten.
    """
    who, where = context.store.digest("user", user), context.store.digest("address", address)
    persons, addresses = of_person(context.settings), of_address(context.settings)
    with context.store.write() as records:
        now = context.clock()
        earlier, there = records.failures(who), records.failures(where)
        waits = None
        if not persons.is_free(earlier, now):
            waits = earlier
        elif not addresses.is_free(there, now):
            waits = there
        if waits is None:
            failed = persons.failed(earlier, now)
            records.keep_failures(who, failed)
            records.keep_failures(where, addresses.failed(there, now))
            return Counted(who, where, failed.count, there.free_at, records.credential(user))
    sign_in_refused(context, address, None, "")
    raise locked(waits, now)


def refused(context: CredentialContext, address: str, counted: Counted, user: str | None) -> SignInRefused:
    """Tell the chain of a counted attempt that failed; what to raise then. `user` only where it is somebody's user id."""
    if counted.failures >= context.settings.failures:
        sign_in_locked(context, address, user, counted.who, counted.failures)
    sign_in_refused(context, address, user, counted.who)
    return SignInRefused()


def forgive(records: Records, counted: Counted) -> None:
    """Take the failures back, where an attempt succeeded: all of the person's, and this one of the address's."""
    records.forget_failures(counted.who)
    forgive_address(records, counted.where, counted.free_at)


def forgive_address(records: Records, where: str, free_at: float) -> None:
    """Take one failure of an address back, by its digest and when it was free before that."""
    there = records.failures(where)
    records.keep_failures(where, Failures(max(there.count - 1, 0), free_at, there.last))


def locked(waits: Failures, now: float) -> SignInLocked:
    """What to raise where those failures keep an attempt from being taken."""
    return SignInLocked(f"too many attempts failed: the next one is taken in {ceil(waits.free_at - now)} seconds")


def _use(context: CredentialContext, counted: Counted, user: str, step: int) -> bool:
    """Use up the code, and take the failures back."""
    with context.store.write() as records:
        if not records.use_step(user, step):
            return False
        forgive(records, counted)
    return True


def _changed(records: Records, known: Known) -> bool:
    """Whether the person has another password than the one that was proved."""
    current = records.credential(known.person.user)
    return current is None or current.password != known.credential.password
